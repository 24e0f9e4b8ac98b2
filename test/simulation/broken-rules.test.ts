import { afterEach, describe, expect, it, vi } from 'vitest'
import { Coherence } from '../../src/core/coherence/coherence.js'
import { CurrentCopies } from '../../src/core/coherence/current-copies.js'
import { Journal } from '../../src/core/coherence/journal.js'
import { Knowledge } from '../../src/core/coherence/knowledge.js'
import { LogPosition } from '../../src/core/coherence/log-position.js'
import { Mirror } from '../../src/core/coherence/mirror.js'
import { RetiredKeys } from '../../src/core/coherence/retired-keys.js'
import { SharedLog } from '../../src/core/coherence/shared-log.js'
import { StepCheck } from '../../src/core/coherence/step-check.js'
import { ToldLife } from '../../src/core/coherence/told-life.js'
import { WriteBack } from '../../src/core/coherence/write-back.js'
import { EntryStore } from '../../src/core/entry-store.js'
import { SingleFlight } from '../../src/core/single-flight.js'
import { MemoryTier } from '../../src/core/tiers/memory-tier.js'
import type { DisasterKind } from './disasters.js'
import { FakeRedis } from './fake-redis.js'
import type { PromiseName } from './history.js'
import { type SimulationOptions, simulate } from './simulation.js'

/** Each rule of the protocol is broken once; the simulation must notice, or it would prove nothing. */
interface BrokenRule {
  readonly rule: string
  readonly break?: () => unknown
  readonly options?: SimulationOptions
  /** The promises that are no longer kept. */
  readonly breaks: readonly PromiseName[]
  /** A seed that shows it: the others are tried when it no longer does. */
  readonly first: number
}

/** The clock of Redis is set back, Redis is flushed, and a new process may be the first to find it so. */
const clockSet: readonly DisasterKind[] = [
  'clock of Redis',
  'clock of Redis',
  'flush all',
  'process killed',
  'process killed',
]

const rules: readonly BrokenRule[] = [
  {
    rule: 'the mark is taken when the handler starts, not when it has finished',
    options: { broken: { marksAtCompletion: true } },
    breaks: ['C1', 'C2', 'C3'],
    first: 1,
  },
  {
    rule: 'what was invalidated in an outage is told to the log afterwards (the journal)',
    break: () => vi.spyOn(Journal.prototype, 'pending').mockReturnValue([]),
    options: { only: ['partition', 'connection broken'] },
    breaks: ['C4'],
    first: 1,
  },
  {
    rule: 'what the log has beyond the last record known is read (catching up)',
    break: () => {
      const since = SharedLog.prototype.since
      vi.spyOn(SharedLog.prototype, 'since').mockImplementation(async function (this: SharedLog, from, count) {
        const page = await since.call(this, from, count)
        const { records } = page
        const last = records.at(-1)
        return { ...page, records: records.slice(0, 1).concat(records.length > 1 && last !== undefined ? [last] : []) }
      })
    },
    options: { only: ['partition', 'connection broken'] },
    breaks: ['C1', 'C3', 'C4', 'C8'],
    first: 4,
  },
  {
    rule: 'what was acknowledged recently is told again to a log that lost it (the ring, and what is known of the log)',
    break: () => {
      vi.spyOn(Journal.prototype, 'recent').mockReturnValue([])
      vi.spyOn(Knowledge.prototype, 'after').mockReturnValue([])
    },
    options: { only: ['failover', 'restart empty'] },
    breaks: ['C8'],
    first: 27,
  },
  {
    rule: 'the head of the log is read with every entry',
    break: () => vi.spyOn(Coherence.prototype, 'follow').mockReturnValue(undefined),
    breaks: ['C1', 'C3'],
    first: 1,
  },
  {
    rule: 'no caller joins a flight that is older than an invalidation',
    break: () => {
      const join = SingleFlight.prototype.join
      vi.spyOn(SingleFlight.prototype, 'join').mockImplementation(function (this: SingleFlight<unknown>, ...args) {
        const [key, , ...rest] = args
        return join.call(this, key, () => true, ...rest)
      })
    },
    breaks: ['C1', 'C2', 'C3'],
    first: 22,
  },
  {
    rule: 'a log that lost records begins a new life',
    break: () => vi.spyOn(SharedLog.prototype, 'rotate').mockResolvedValue(undefined),
    options: { only: ['failover', 'restart from a dump'] },
    breaks: ['C8', 'liveness'],
    first: 11,
  },
  {
    rule: 'what memory alone has is written back',
    break: () => vi.spyOn(WriteBack.prototype, 'start').mockReturnValue(0),
    options: { only: ['partition', 'server down', 'connection broken'] },
    breaks: ['C5'],
    first: 33,
  },
  {
    rule: 'memory answers for what Redis does not have',
    break: () => vi.spyOn(MemoryTier.prototype, 'get').mockReturnValue(undefined),
    breaks: ['C6'],
    first: 4,
  },
  {
    rule: 'an order to empty Redis is told from an accident by the run of the server',
    break: () => {
      let runs = 0
      vi.spyOn(FakeRedis.prototype, 'runName', 'get').mockImplementation(() => `run${++runs}`)
    },
    options: { only: ['flush all'] },
    breaks: ['C7'],
    first: 1,
  },
  {
    rule: 'what clients can have invalidated makes no records',
    break: () =>
      vi.spyOn(EntryStore.prototype, 'retire').mockImplementation(async function (this: EntryStore, names) {
        const covers = names.map((prefix) => ({ kind: 'prefix', prefix, ignoreCase: false }) as const)
        if (covers.length > 0) await this.invalidate(covers)
        return new Map()
      }),
    options: { only: ['flood by clients'], broken: { maxMirrorBytes: 100_000 } },
    breaks: ['C5', 'C6'],
    first: 4,
  },
  {
    rule: 'a request keeps a handler out that was running',
    break: () => vi.spyOn(RetiredKeys.prototype, 'coversSince').mockReturnValue(false),
    options: { only: ['slow network'], retires: 40 },
    breaks: ['C2', 'C3'],
    first: 24,
  },
  {
    rule: 'what Redis holds under a key that was retired may be older than that',
    break: () => vi.spyOn(RetiredKeys.prototype, 'coversAfter').mockReturnValue(false),
    options: { only: ['entries evicted', 'silent failover', 'replies lost', 'slow network'], retires: 60 },
    breaks: ['C2', 'C3'],
    first: 4,
  },
  {
    rule: 'a flush is an order also where the clock of the server was set back',
    break: () => vi.spyOn(LogPosition.prototype, 'wasInStepBefore').mockReturnValue(false),
    options: { only: clockSet },
    breaks: ['C7'],
    first: 2095,
  },
  {
    rule: 'whose replies are out of step is noticed, and the connection dropped',
    break: () => vi.spyOn(StepCheck.prototype, 'ask').mockResolvedValue(undefined),
    options: { only: ['missing reply', 'surplus reply'] },
    breaks: ['C5', 'liveness'],
    first: 2,
  },
  {
    rule: 'a connection on which no check is answered is dropped',
    break: () => vi.spyOn(StepCheck.prototype, 'dropIfSilent').mockReturnValue(undefined),
    options: { only: ['missing reply'] },
    breaks: ['liveness'],
    first: 8,
  },
  {
    rule: 'head, log and marks vouch for each other',
    break: () => changeScripts(/local function isWhole\([^)]*\)/, '$& if true then return true end'),
    options: { only: ['head evicted', 'log evicted', 'marks evicted', 'keys evicted'] },
    breaks: ['C1', 'liveness'],
    first: 33,
  },
  {
    rule: 'a process that knows what can no longer be told has everything invalidated',
    break: () => vi.spyOn(ToldLife.prototype, 'needsEverything').mockReturnValue(false),
    options: { only: ['backup restored', 'crash loop', 'restart from a dump', 'failover'] },
    breaks: ['C1', 'C6', 'C8'],
    first: 33,
  },
  {
    rule: 'memory answers for a Redis out of reach only so long',
    options: { broken: { allowedStale: 60_000 } },
    breaks: ['C9'],
    first: 5,
  },
  {
    rule: 'what Redis holds is stale if a soft invalidation is newer',
    break: () => vi.spyOn(Mirror.prototype, 'softensAfter').mockReturnValue(false),
    options: { softs: 0.6 },
    breaks: ['C1', 'C3', 'C4'],
    first: 1,
  },
  {
    rule: 'what memory holds is stale if a soft invalidation is newer',
    break: () => vi.spyOn(Mirror.prototype, 'softensSince').mockReturnValue(false),
    options: { softs: 0.6 },
    breaks: ['C1', 'C2', 'C3'],
    first: 1,
  },
  {
    rule: 'a soft invalidation is told from a hard one',
    break: () => {
      const record = Mirror.prototype.record
      vi.spyOn(Mirror.prototype, 'record').mockImplementation(function (this: Mirror, covers, position) {
        const hard = covers.map((cover) => (cover.kind === 'key' ? cover : { ...cover, soft: false }))
        return { ...record.call(this, hard, position), covers }
      })
    },
    options: { softs: 1 },
    breaks: ['C6'],
    first: 1,
  },
  {
    rule: 'a hard invalidation prevails over a soft one, whichever came first',
    break: () => {
      const coversSince = Mirror.prototype.coversSince
      vi.spyOn(Mirror.prototype, 'coversSince').mockImplementation(function (this: Mirror, ...asked) {
        return !this.softensSince(...asked) && coversSince.apply(this, asked)
      })
    },
    options: { softs: 0.6 },
    breaks: ['C1', 'C2', 'C3', 'C4'],
    first: 1,
  },
  {
    rule: 'two protocols leave each other alone',
    break: () => changeScripts(/redis\.call\('EXISTS', ARGV\[5\] \.\. other\) == 1/, 'false'),
    options: { upgrades: true, only: ['slow network'] },
    breaks: ['versions'],
    first: 1,
  },
  {
    rule: 'a release tells a log that it cannot read from none',
    break: () => changeScripts(/type\(text\) == 'string' and not head/, 'false'),
    options: { upgrades: true, only: ['slow network'] },
    breaks: ['versions'],
    first: 1,
  },
  {
    rule: 'who takes the log over from another protocol has everything invalidated',
    break: () => {
      changeScripts(/isTakenOver = true/, '')
      const open = SharedLog.prototype.open
      vi.spyOn(SharedLog.prototype, 'open').mockImplementation(async function (this: SharedLog, ...args) {
        return await open.apply(this, args).catch((thrown: unknown) => {
          throw new Error(String(thrown))
        })
      })
    },
    options: { upgrades: true, only: ['slow network'], broken: { maxStale: 300_000 } },
    breaks: ['C1'],
    first: 6,
  },
  {
    rule: 'a store notes which key has changed',
    break: () => changeScripts(/local function noteChange\([^)]*\)/, '$& if true then return nil end'),
    options: { confirms: 1 },
    breaks: ['C11'],
    first: 5,
  },
  {
    rule: 'a store takes a place of its own among the changes',
    break: () => changeScripts(/tonumber\(count\) \+ 1\)/, 'tonumber(count) + 0)'),
    options: { confirms: 1 },
    breaks: ['C11'],
    first: 2,
  },
  {
    rule: 'what was replaced is not used when Redis has lost what replaced it',
    break: () => vi.spyOn(CurrentCopies.prototype, 'isReplaced').mockReturnValue(false),
    options: { confirms: 1, only: ['entries evicted', 'slow network'] },
    breaks: ['C11'],
    first: 18,
  },
  {
    rule: 'what Redis is not known to have gives way to what Redis took after it',
    break: () => vi.spyOn(CurrentCopies.prototype, 'givesWay').mockReturnValue(false),
    options: { confirms: 1 },
    breaks: ['C11'],
    first: 401,
  },
]

/** Replaces a part of each script on its way into Redis. */
function changeScripts(part: RegExp, by: string): void {
  const { execute } = FakeRedis.prototype
  vi.spyOn(FakeRedis.prototype, 'execute').mockImplementation(function (this: FakeRedis, command) {
    const [name, source, ...rest] = command
    const isScript = String(name) === 'EVAL' && name !== undefined
    return execute.call(this, isScript ? [name, Buffer.from(String(source).replace(part, by)), ...rest] : command)
  })
}

/** Tried after the first one of a rule. With a rule broken, one seed in a hundred or more shows it. */
const mostSeeds = Number(process.env.SEEDS ?? 400)

describe('the simulation turns red', () => {
  afterEach(() => {
    vi.restoreAllMocks()
  })

  it.each(rules)('without this: $rule', { timeout: 120_000 }, async (rule) => {
    const options = { softs: 0, confirms: 0, ...rule.options }
    if (rule.break !== undefined) expect((await simulate(rule.first, options)).violations).toEqual([])
    rule.break?.()
    const seen = new Set<PromiseName>()
    let tried = 0
    for (let seed = rule.first; tried <= mostSeeds && !rule.breaks.some((promise) => seen.has(promise)); seed = tried) {
      const { violations } = await simulate(seed, options)
      for (const { promise } of violations) seen.add(promise)
      tried++
    }
    expect(
      rule.breaks.filter((promise) => seen.has(promise)),
      `of ${tried} seeds, ${rule.first} first, saw ${[...seen]}`,
    ).not.toEqual([])
  })
})
