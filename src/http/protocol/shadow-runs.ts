import type { Exchange } from '../port/exchange.js'
import { ResponseNotes } from '../port/response-notes.js'
import { unpacked, visitorOf } from '../shadow/fingerprint.js'
import type { LateShadow } from '../shadow/late-shadow.js'
import type { Shadow } from '../shadow/shadow.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { Decision, Hit, Miss } from './decision.js'
import { seenOf } from './forwarded-request.js'
import { Forwarding } from './forwarding.js'
import type { HandlerRuns } from './handler-runs.js'
import type { Lookup } from './lookup.js'
import { Unrecorded } from './pass-through.js'
import type { Passes } from './passes.js'
import type { ProtocolParts } from './protocol-parts.js'
import { Reports } from './reports.js'
import type { Scopes } from './scope.js'
import { type Comparison, type SeenResponse, ShadowRecording } from './shadow-recording.js'
import { Tally } from './tally.js'

/** The parts of a middleware that shadow mode uses. */
export interface ShadowParts<Context extends object> {
  readonly parts: ProtocolParts<Context>
  readonly scopes: Scopes
  readonly passes: Passes<Context>
  readonly runs: HandlerRuns<Context>
}

/** How a request would have been answered. */
interface WouldBe {
  readonly result: 'hit' | 'stale' | 'collapsed'
  /** `undefined` if it is not stored yet. */
  readonly stored?: StoredResponse
  /** Whether the response is recorded, too, to be stored in place of this one. */
  readonly isRecorded?: boolean
}

/**
 * Carries decisions out in shadow mode: every request reaches the handler unchanged, and its response is compared with
 * what the cache would have sent, or recorded as what it would have stored.
 */
export class ShadowRuns<Context extends object> {
  readonly #shadow: LateShadow
  readonly #of: ShadowParts<Context>
  /** The reports of the middleware itself, in which every request is a bypass. */
  readonly #real: Reports

  constructor({ real }: Shadow, shadow: LateShadow, of: ShadowParts<Context>) {
    this.#shadow = shadow
    this.#real = new Reports(real)
    this.#of = of
  }

  carryOut(exchange: Exchange<Context>, decision: Exclude<Decision<Context>, { kind: 'enter' }>): Forwarding {
    this.#real.bypass(exchange.request, 'shadow')
    switch (decision.kind) {
      case 'hit':
        return this.#hit(decision)
      case 'pass':
        return muted(this.#of.passes.bypass(exchange, decision))
      case 'post':
        return muted(this.#of.runs.post(decision.lookup, decision.miss, this.#of.passes.toRetire(decision.lookup)))
      case 'head':
      case 'check':
      case 'refuse':
        return muted(this.#of.passes.through(exchange, {}, { result: 'miss', reason: decision.miss.reason }))
      case 'wait':
        return this.#wait(decision)
      default:
        return this.#run(decision)
    }
  }

  #hit({ lookup, found, stored, now, refresh }: Hit<Context>): Forwarding {
    const isStale = now >= stored.staleAt || found.found?.softened === true
    const would = { result: isStale ? 'stale' : 'hit', stored, isRecorded: refresh !== undefined } as const
    const comparison = this.#comparison(lookup, found.storageKey, would)
    if (refresh === undefined) return this.#compare(lookup, comparison)
    const miss = { storageKey: found.storageKey, fwd: 'stale', reason: 'outlived', stale: undefined } as const
    const { recording } = this.#of.runs.alone(lookup, miss, undefined, false)
    return new Forwarding(new ShadowRecording(recording, comparison))
  }

  /** The request would have waited for the handler run of another one, whose response is stored by now, or soon. */
  #wait({ lookup, miss }: Miss<Context>): Forwarding {
    const comparison = this.#comparison(lookup, miss.storageKey, { result: 'collapsed' })
    return this.#compare(lookup, comparison)
  }

  #run({ lookup, miss, kind }: Miss<Context>): Forwarding {
    const { runs, parts } = this.#of
    const leads = kind === 'run' && seenOf(lookup.request) === undefined
    const flight = leads ? runs.flights.takeOff(miss.storageKey, parts.cache.mark()) : undefined
    return muted(runs.alone(lookup, { ...miss, stale: undefined, part: undefined }, flight))
  }

  #compare(lookup: Lookup<Context>, comparison: Comparison): Forwarding {
    const recording = new Unrecorded(new ResponseNotes())
    this.#of.scopes.open(lookup.exchange.raw, recording, 'shadow')
    return new Forwarding(new ShadowRecording(recording, comparison))
  }

  #comparison(lookup: Lookup<Context>, storageKey: string, would: WouldBe): Comparison {
    const { result, stored, isRecorded = false } = would
    const { reports, cache } = this.#of.parts
    const { exchange, request } = lookup
    const shadow = this.#shadow
    const tally = new Tally(reports, exchange, { result, reason: 'uri-miss' })
    const startedAt = cache.clock.monotonic()
    const visitor = visitorOf(request.headers)
    const isWhole = request.method === 'GET' && seenOf(request) === undefined
    const hitsAt = stored === undefined ? [] : shadow.hitsAt(storageKey, stored)
    return {
      begin: () => {
        tally.count()
        const took = Math.max(0, cache.clock.monotonic() - startedAt)
        if (!isRecorded) tally.meter.handler.record(took)
        const ledger = shadow.ledgerOf(tally.meter)
        ledger.savedMs += took
        hitsAt.forEach((isHit, at) => {
          if (isHit) ledger.hitsAt[at] = (ledger.hitsAt[at] ?? 0) + 1
        })
      },
      end: ({ content, size, words }: SeenResponse) => {
        const ledger = shadow.ledgerOf(tally.meter)
        ledger.savedBytes += size
        const known = fingerprintOf(stored ?? this.#storedNow(lookup))
        if (content === undefined || known === undefined || !isWhole) ledger.add('unseen', 1)
        else shadow.differences.compare({ key: storageKey, ledger, stored: known, visitor, content, words })
      },
    }
  }

  /** What the directory has for a request now. */
  #storedNow(lookup: Lookup<Context>): StoredResponse | undefined {
    const found = this.#of.parts.responses.find(lookup)
    return found instanceof Promise ? undefined : found.stored
  }
}

function muted({ recording }: Forwarding): Forwarding {
  return new Forwarding(new ShadowRecording(recording, undefined))
}

function fingerprintOf(stored: StoredResponse | undefined) {
  return stored && unpacked(stored.entry.body)
}
