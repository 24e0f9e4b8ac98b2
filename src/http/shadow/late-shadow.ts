import type { CacheEngine } from '../../core/engine.js'
import type { Entry } from '../../core/entry.js'
import type { Meter } from '../../core/meters.js'
import type { ShadowHooks } from '../../core/shadow-store.js'
import { type EvictionReason, entrySize } from '../../core/tiers/memory-tier.js'
import type { RequestHead } from '../port/request-head.js'
import type { StoredHead } from '../store/stored-head.js'
import type { StoredResponse } from '../store/stored-response.js'
import { Differences } from './differences.js'
import { ContentDigest, packed, unpacked, visitorOf } from './fingerprint.js'
import { Ledger, SIZES } from './ledger.js'
import { figuresOf, type RouteCounts, type ShadowReport } from './shadow-report.js'
import { SimulatedMemory } from './simulated-memory.js'

/** What was counted in shadow mode, and the comparisons. Loaded by the first cache in shadow mode. */
export class LateShadow implements ShadowHooks {
  readonly differences = new Differences()
  readonly #engine: CacheEngine
  readonly #memories = SIZES.map((size) => new SimulatedMemory(size * 2 ** 20))
  readonly #ledgers = new Map<Meter, Ledger>()
  readonly #since: number
  #evicted = 0

  /** @param engine - that of the directory */
  constructor(engine: CacheEngine) {
    this.#engine = engine
    this.#since = engine.clock.now()
  }

  /** The ledger of a route. */
  ledgerOf(meter: Meter): Ledger {
    let ledger = this.#ledgers.get(meter)
    if (ledger === undefined) {
      ledger = new Ledger()
      this.#ledgers.set(meter, ledger)
    }
    return ledger
  }

  /** For each of the sizes of memory, whether it would have held a response that is asked for now. */
  hitsAt(storageKey: string, { entry }: StoredResponse): readonly boolean[] {
    const size = sizeIn(storageKey, entry)
    return this.#memories.map((memory) => memory.ask(storageKey, size))
  }

  kept(key: string, entry: Entry): void {
    const size = sizeIn(key, entry)
    for (const memory of this.#memories) memory.put(key, size)
    const fingerprint = unpacked(entry.body)
    if (fingerprint !== undefined) this.differences.kept(key, fingerprint)
  }

  left(key: string, reason: EvictionReason): void {
    for (const memory of this.#memories) memory.drop(key)
    if (reason === 'invalidated') this.differences.written(key)
    else if (reason === 'size') this.#evicted += 1
  }

  report(): ShadowReport {
    const counted = this.#engine.meters.all.map(
      (meter): RouteCounts => ({ stats: meter.stats(), ledger: this.ledgerOf(meter) }),
    )
    const examples = (ledger: Ledger) => ({
      stale: this.differences.examples(ledger, 'stale'),
      leaked: this.differences.examples(ledger, 'leaked'),
      suspected: this.differences.examples(ledger, 'suspected'),
      noise: this.differences.examples(ledger, 'noise'),
    })
    const routes = counted.map((one) => ({
      route: one.stats.route,
      ...figuresOf([one]),
      examples: examples(one.ledger),
    }))
    return {
      since: this.#since,
      all: figuresOf(counted),
      routes: routes.filter(({ requests }) => requests > 0).sort((one, other) => other.requests - one.requests),
      directory: { ...this.#engine.memory(), evicted: this.#evicted },
    }
  }
}

/** The fingerprint of a response, which is stored in place of its body. */
export function fingerprintBytes(head: StoredHead, body: Buffer, { headers }: Pick<RequestHead, 'headers'>): Buffer {
  const content = new ContentDigest(head.status, locationIn(head)).add(body).end()
  return packed({ content, visitor: visitorOf(headers), size: body.length })
}

/** The size of the entry with the body of the response. */
function sizeIn(key: string, entry: Entry): number {
  const size = unpacked(entry.body)?.size ?? entry.body.length
  return entrySize(key, entry) - entry.body.length + size
}

function locationIn({ fields }: StoredHead): unknown {
  const at = fields.findIndex((name, index) => index % 2 === 0 && String(name).toLowerCase() === 'location')
  return at < 0 ? undefined : fields[at + 1]
}
