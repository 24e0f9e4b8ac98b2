import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLIENT_KINDS, type ClientKind } from '../support/clients.js'
import { knownValue, type LoadReport } from '../support/load.js'
import { until } from '../support/until.js'
import { Worker } from '../support/worker.js'
import { closePlace, connectsByItself, FAULTS, type Fault, openPlace, type Place, portFor } from './fault.js'
import { milliseconds, printTable } from './table.js'

/** What a request may lose to Redis at worst: the default `redisTimeout`, and 30 ms to notice. */
const WORST = 50 + 30
/** How long hits may take to come back. */
const RECOVERY = 5_000
const KNOWN = 20

/**
 * A client that is never usable again, in any application: node-redis 4 keeps half a reply of a lost connection in its
 * decoder. Requests are answered all the same, from memory; only a new client helps.
 */
function canBeLost(kind: ClientKind, fault: string): boolean {
  return kind === 'node-redis 4' && fault === 'replies cut'
}

interface Outcome {
  readonly fault: Fault
  readonly report: LoadReport
  readonly recovery: number
}

describe.each(CLIENT_KINDS)('with %s', (kind) => {
  const outcomes: Outcome[] = []
  let host: Worker
  let places: Place[]

  beforeAll(async () => {
    host = await Worker.start()
    places = await Promise.all(FAULTS.map(openPlace))
    outcomes.push(...(await Promise.all(FAULTS.map((fault, index) => run(kind, host, fault, places[index])))))
  }, 90_000)

  afterAll(async () => {
    if (outcomes.length > 0)
      printTable(`${kind}: milliseconds that a request took while Redis was …`, outcomes.map(row))
    await host?.stop()
    await Promise.all((places ?? []).map(closePlace))
  })

  it.each(FAULTS)('answers right and in time while Redis is $name', (fault) => {
    const { report } = outcomeOf(fault)
    expect(report.wrong).toEqual([])
    expect(report.misses).toBe(0)
    expect(report.worst).toBeLessThan(WORST)
  })

  it.each(FAULTS.filter(({ total }) => total))('takes microseconds once the breaker is open: $name', (fault) => {
    const { report } = outcomeOf(fault)
    expect(report.lateP50).toBeLessThan(0.5)
    expect(report.lateWorst).toBeLessThan(10)
  })

  it.each(FAULTS.filter(({ name }) => !canBeLost(kind, name)))(
    'answers from Redis again within 5 s: $name',
    (fault) => {
      expect(outcomeOf(fault).recovery).toBeLessThan(RECOVERY)
    },
  )

  it.each(FAULTS)('gives the client no more than it may hold: $name', (fault) => {
    // 200 commands of requests, and the few of the cache itself.
    expect(outcomeOf(fault).report.mostPending ?? 0).toBeLessThan(200 + 20)
  })

  it('leaves no rejection unhandled', async () => {
    expect(await host.troubles()).toEqual([])
  })

  function outcomeOf(fault: Fault): Outcome {
    const outcome = outcomes.find((candidate) => candidate.fault === fault)
    if (!outcome) throw new Error(`${fault.name} was not run`)
    return outcome
  }
})

async function run(kind: ClientKind, host: Worker, fault: Fault, place: Place | undefined): Promise<Outcome> {
  if (!place) throw new Error('no place')
  if (fault.fromStart) await fault.begin(place)
  const worker = await host.sibling({ client: { kind, port: portFor(fault, place), lazy: fault.lazy === true } })
  if (!fault.fromStart) await answersFromRedis(worker, 10_000)
  for (let index = 0; index < KNOWN; index++) await worker.set(`known:${index}`, knownValue(`known:${index}`))
  if (!fault.fromStart) {
    const before = await worker.load({ duration: 300, rate: 150, known: KNOWN })
    expect(before.wrong).toEqual([])
    await fault.begin(place)
  }
  const report = await worker.load({ duration: 2_500, rate: 150, known: KNOWN })
  await fault.end(place)
  const end = performance.now()
  if (fault.lazy && !connectsByItself(kind)) await worker.call('connectClient')
  const recovered = await answersFromRedis(worker, RECOVERY + 5_000).then(
    () => performance.now() - end,
    () => Number.POSITIVE_INFINITY,
  )
  await worker.stop()
  return { fault, report, recovery: recovered }
}

async function answersFromRedis(worker: Worker, timeout: number): Promise<void> {
  await until(
    'an answer from Redis',
    async () => {
      await worker.set('known:0', knownValue('known:0'))
      return (await worker.find('known:0'))?.tier === 'redis'
    },
    { timeout, every: 20 },
  )
}

function row({ fault, report, recovery }: Outcome): Record<string, string | number> {
  return {
    '': fault.name,
    worst: milliseconds(report.worst),
    p99: milliseconds(report.p99),
    p50: milliseconds(report.p50),
    'p50 late': milliseconds(report.lateP50),
    'worst late': milliseconds(report.lateWorst),
    requests: report.requests,
    wrong: report.wrong.length,
    'most held': report.mostPending ?? '-',
    'stall (subtracted)': milliseconds(report.longestStall),
    'recovered after': Number.isFinite(recovery) ? Math.round(recovery) : 'never',
  }
}
