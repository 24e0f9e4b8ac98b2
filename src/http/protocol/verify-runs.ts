import { markRefresh } from '../port/refresh-mark.js'
import { ResponseNotes } from '../port/response-notes.js'
import { isFilledInput } from '../rules/filled-inputs.js'
import { type Verification, verificationOf } from '../shadow/verification.js'
import type { VerifyReport } from '../shadow/verify-report.js'
import type { Hit } from './decision.js'
import { Unrecorded } from './pass-through.js'
import type { ProtocolParts } from './protocol-parts.js'
import { refreshRequest } from './refresh-request.js'
import { Refreshes } from './refreshes.js'
import type { Scopes } from './scope.js'
import { ShadowRecording } from './shadow-recording.js'

/** The parts of a middleware that the mode `verify` uses. */
export interface VerifyParts<Context extends object> {
  readonly parts: ProtocolParts<Context>
  readonly scopes: Scopes
}

/** Least time between the beginnings of two runs of a middleware, in ms. */
const PAUSE = 100

/** Runs handlers beside hits, one at a time, with the request of a refresh, and compares what they answer. */
export class VerifyRuns<Context extends object> {
  readonly #of: VerifyParts<Context>
  readonly #verification: Verification
  readonly #limits: Refreshes
  #isRunning = false
  #lastAt = Number.NEGATIVE_INFINITY

  constructor(of: VerifyParts<Context>) {
    const { cache, policy, responses } = of.parts
    this.#of = of
    this.#verification = verificationOf(policy.cache)
    this.#limits = new Refreshes(cache.clock, cache.gauges, {
      slotFor: cache.maxHandlerTime,
      runFor: cache.maxHandlerTime,
    })
    responses.onKept = (...kept) => this.#verification.kept(...kept)
  }

  report(): VerifyReport {
    return this.#verification.report()
  }

  /** Begins a run for a hit, unless another one is running or has just begun. */
  begin({ lookup, found, stored, now, refresh }: Hit<Context>): void {
    const { cache, policy, reports } = this.#of.parts
    const { exchange, request } = lookup
    // A stale response is sent on purpose, while it is refreshed.
    const isFresh = refresh === undefined && now < stored.staleAt && found.found?.softened !== true
    const at = cache.clock.monotonic()
    if (!isFresh || request.method !== 'GET' || this.#isRunning || at - this.#lastAt < PAUSE) return
    const { rewritten, begun } = request
    const isNamed = policy.key !== undefined || policy.user !== undefined || stored.selecting.some(isFilledInput)
    const isTurned = rewritten !== undefined || begun !== undefined
    const { headers, protocol, host } = refreshRequest(request, {
      selecting: stored.selecting,
      isNamed: isNamed || isTurned,
    })
    const run = exchange.refresh?.({ headers, protocol, host })
    if (run === undefined) return
    const { storageKey } = found
    const mark = cache.mark()
    const meter = reports.meterOf(stored.routePattern)
    const recording = new ShadowRecording(new Unrecorded(new ResponseNotes()), {
      begin: () => {},
      end: ({ content, words }) => {
        // A write during the run makes another page, and the one that was sent was not wrong.
        const isWritten = cache.isInvalidated(storageKey, stored.entry.tags, mark)
        const seen = isWritten ? undefined : content
        this.#verification.compare({ storageKey, meter, stored, headers, content: seen, words })
      },
    })
    this.#isRunning = true
    this.#lastAt = at
    const end = this.#limits.take(run, () => {})
    const introduce = (raw: object) => {
      markRefresh(raw)
      this.#of.scopes.openAwaited(raw, recording)
    }
    const done = () => {
      this.#isRunning = false
      end()
      recording.abort('aborted')
    }
    // The client's answer is sent first.
    setImmediate(() => run.start(introduce, done))
  }
}
