import type { FallbackCache } from '../../core/fallback-cache.js'
import type { Meter } from '../../core/meters.js'
import type { StoredHead } from '../store/stored-head.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { ToStore } from '../store/stored-responses.js'
import { Differences } from './differences.js'
import { ContentDigest, type Fingerprint, unpacked, visitorOf } from './fingerprint.js'
import { fingerprintBytes } from './late-shadow.js'
import { Ledger, LIKENESSES, type Likeness } from './ledger.js'
import type { VerifiedAnswers, VerifyReport } from './verify-report.js'
import type { Words } from './words.js'

/** Stored responses whose visitor is known, in each of two generations. */
const MOST_KNOWN = 5_000

/** Another text than that of any visitor. */
const UNKNOWN = 'unknown'

/** What a handler has answered beside a hit. */
export interface VerifyingRun {
  readonly storageKey: string
  readonly meter: Meter
  /** What was sent. */
  readonly stored: StoredResponse
  /** The fields of the run's request. */
  readonly headers: ToStore['request']['headers']
  /** `undefined` if it cannot be compared. */
  readonly content: string | undefined
  readonly words: Words | undefined
}

/** What the middlewares of one cache in the mode `verify` have compared. */
export class Verification {
  readonly #since = Date.now()
  readonly #differences = new Differences()
  readonly #ledgers = new Map<Meter, Ledger>()
  /** Whom stored responses were made for, by their storage keys. */
  #made = new Map<string, Fingerprint>()
  #madeBefore: ReadonlyMap<string, Fingerprint> = new Map()

  constructor(cache: FallbackCache) {
    cache.on('evict', ({ key, reason }) => {
      if (reason !== 'invalidated') return
      this.#differences.written(key)
    })
  }

  /** A response of a visitor's request, or of a refresh, was stored. */
  kept(storageKey: string, head: StoredHead, body: Buffer, { request }: ToStore): void {
    const fingerprint = unpacked(fingerprintBytes(head, body, request))
    if (fingerprint === undefined) return
    if (this.#made.size >= MOST_KNOWN) {
      this.#madeBefore = this.#made
      this.#made = new Map()
    }
    this.#made.set(storageKey, fingerprint)
    this.#differences.kept(storageKey, fingerprint)
  }

  compare({ storageKey: key, meter, stored, headers, content, words }: VerifyingRun): void {
    const ledger = this.#ledgers.get(meter) ?? new Ledger()
    this.#ledgers.set(meter, ledger)
    if (content === undefined) {
      ledger.add('unseen', 1)
      return
    }
    const { status, body, byName } = stored
    const sent = new ContentDigest(status, byName.location).add(body).end()
    const known = this.#made.get(key) ?? this.#madeBefore.get(key)
    const visitor = known?.content === sent ? known.visitor : UNKNOWN
    const of = { content: sent, visitor, size: body.length }
    this.#differences.compare({ key, ledger, stored: of, visitor: visitorOf(headers), content, words })
  }

  report(): VerifyReport {
    const routes = Array.from(this.#ledgers, ([{ route }, ledger]) => ({
      route,
      ...answersOf([ledger]),
      examples: {
        stale: this.#differences.examples(ledger, 'stale'),
        leaked: this.#differences.examples(ledger, 'leaked'),
        suspected: this.#differences.examples(ledger, 'suspected'),
        noise: this.#differences.examples(ledger, 'noise'),
      },
    })).sort((one, other) => other.compared - one.compared)
    return { since: this.#since, ...answersOf([...this.#ledgers.values()]), routes }
  }
}

function answersOf(ledgers: readonly Ledger[]): VerifiedAnswers {
  const count = (name: Likeness): number => ledgers.reduce((sum, { outcomes }) => sum + outcomes[name], 0)
  const answers = Object.fromEntries(LIKENESSES.map((name) => [name, count(name)])) as Record<Likeness, number>
  return { compared: LIKENESSES.reduce((sum, name) => sum + answers[name], 0), answers }
}

const VERIFICATIONS = new WeakMap<FallbackCache, Verification>()

/** That of a cache, made at the first call. */
export function verificationOf(cache: FallbackCache): Verification {
  const verification = VERIFICATIONS.get(cache) ?? new Verification(cache)
  VERIFICATIONS.set(cache, verification)
  return verification
}
