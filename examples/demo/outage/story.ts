import { findRedisServer, PrivateRedis } from '../private-redis.js'
import { KNOWN_CITIES, POPULAR_PATHS } from '../traffic.js'
import { AppsProcess } from './apps-process.js'
import { Phase, tableHead, tableRow } from './phase.js'
import { Users } from './users.js'

/** The outage itself: what happens to Redis, what users ask for at the same time, and the verdict. */

const REQUESTS_PER_SECOND = 120
/** How much slower than beside the Redis that is left alone the slowest hundredth may be, in milliseconds. */
const SLOWER_MS = 200
/** What feels immediate to a user in any case, in milliseconds. */
const IMMEDIATE_MS = 400
/** How long most phases take, in seconds. */
const PHASE = 2.5
/** Within how many seconds Redis must answer again after its return. */
const BACK_WITHIN = 5

const binary = findRedisServer()
if (binary === undefined) {
  console.error(
    'There is no redis-server to take down: apt-get install redis-server, or brew install redis, and again.',
  )
  process.exit(1)
}

// What was started here ends with this process, when it leaves by this door.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))

const pace = process.argv.includes('--short') ? 0.4 : 1
const phases: Phase[] = []
const complaints: string[] = []
/** How many seconds Redis was back before it was asked again, by the number of the phase. */
const backAfter = new Map<number, number>()
const redis = await PrivateRedis.start(binary)
const calmRedis = await PrivateRedis.start(binary)
const apps = await AppsProcess.start(redis.url)
const calmApps = await AppsProcess.start(calmRedis.url)
const users = new Users(apps.origin, REQUESTS_PER_SECOND)
const calmUsers = new Users(calmApps.origin, REQUESTS_PER_SECOND)
const everybody = [users, calmUsers]
let handlerRuns = 0

console.log(`${REQUESTS_PER_SECOND} requests a second to ${apps.origin}, Express and Koa in turn; Redis is ${binary}\n`)
console.log(tableHead())

try {
  await phase('warm: every page once', readEveryPage, { reading: false, timed: false })
  await phase('all is well', () => sleep(PHASE))
  await phase('all is well, records written', whileWriting(PHASE))

  await phase('Redis frozen', async () => {
    redis.freeze()
    await sleep(PHASE)
  })
  await phase('frozen, records written', whileWriting(PHASE))
  await phase('goes on, with the old entries', async () => {
    redis.resume()
    await untilRedisAnswers()
  })

  await phase('Redis killed', async () => {
    await redis.kill()
    await sleep(PHASE)
  })
  await phase('down, records written', whileWriting(PHASE))
  await phase('restarted, with the old entries', async () => {
    await redis.restart({ empty: false })
    await untilRedisAnswers()
  })

  await phase('killed again, records written', async () => {
    await redis.kill()
    await whileWriting(PHASE)()
  })
  await phase('restarted, empty', async () => {
    await redis.restart({ empty: true })
    await untilRedisAnswers()
  })
  await phase('every record, in both apps', readEveryRecord, { reading: false })

  judge()
} finally {
  await stopReading()
  for (const each of everybody) each.close()
  await Promise.all([apps.stop(), calmApps.stop()])
  await Promise.all([redis.stop(), calmRedis.stop()])
}

/** Runs a part of the story, waits for all answers, so that none is left for the next part to wait behind, and prints its line. */
async function phase(name: string, story: () => Promise<void>, { reading = true, timed = true } = {}): Promise<void> {
  const calm = new Phase(name)
  const current = new Phase(name, timed ? calm : undefined)
  users.enter(current)
  calmUsers.enter(calm)
  if (reading) for (const each of everybody) each.start()
  await story()
  await stopReading()
  const { handlerRuns: runs } = await apps.state()
  current.handlerRuns = runs - handlerRuns
  handlerRuns = runs
  phases.push(current)
  console.log(tableRow(current))
}

function whileWriting(seconds: number): () => Promise<void> {
  return async () => {
    for (const each of everybody) each.write(true)
    await sleep(seconds)
    for (const each of everybody) each.write(false)
  }
}

async function readEveryPage(): Promise<void> {
  for (const path of POPULAR_PATHS) await Promise.all(everybody.map((each) => each.read(path)))
}

async function readEveryRecord(): Promise<void> {
  for (const city of KNOWN_CITIES) {
    for (const app of ['express', 'koa'] as const)
      await Promise.all(everybody.map((each) => each.read(`/cities/${city.id}`, app)))
  }
}

/** Goes on until answers come from Redis again, and for a while longer. */
async function untilRedisAnswers(): Promise<void> {
  const before = (await apps.state()).redisHits
  const returned = performance.now()
  const waited = () => (performance.now() - returned) / 1000
  while ((await apps.state()).redisHits === before && waited() < 2 * BACK_WITHIN) await sleep(0.05 / pace)
  backAfter.set(phases.length, waited())
  await sleep(PHASE)
}

async function stopReading(): Promise<void> {
  await Promise.all(everybody.map((each) => each.stop()))
}

function judge(): void {
  const busy: string[] = []
  for (const [number, each] of phases.entries()) {
    complain(each.name, 'answers were no 200', each.failures)
    complain(each.name, 'answers were older than an acknowledged write', each.outdated)
    if (each.calm === undefined) continue
    complain(each.name, 'answers were no 200, beside the Redis that is left alone', each.calm.failures)
    const late = whatWasLate(each, each.calm, backAfter.get(number) ?? 0)
    if (late.length > 0 && each.calm.quantile(0.99) > IMMEDIATE_MS) busy.push(each.name)
    else complaints.push(...late)
  }
  const total = phases.reduce((sum, each) => sum + each.requests, 0)
  const bound = `p99 within ${IMMEDIATE_MS} ms, or ${SLOWER_MS} ms above the calm one`
  const untold = `the machine was too busy to tell times, the calm p99 was over ${IMMEDIATE_MS} ms in: ${busy.join('; ')}`
  if (complaints.length === 0)
    console.log(`\n${total} requests, and no user noticed: ${busy.length === 0 ? bound : untold}.`)
  else console.error(`\nUsers noticed:\n${complaints.map((complaint) => `  ${complaint}`).join('\n')}`)
  process.exitCode = complaints.length === 0 ? 0 : 1
}

function whatWasLate(phase: Phase, calm: Phase, backAfter: number): string[] {
  const late: string[] = []
  const p99 = phase.quantile(0.99)
  const calmP99 = calm.quantile(0.99)
  if (p99 > Math.max(IMMEDIATE_MS, calmP99 + SLOWER_MS)) {
    late.push(
      `${phase.name}: p99 of ${p99.toFixed(0)} ms, beside the Redis that is left alone ${calmP99.toFixed(0)} ms`,
      ...phase.slowest(5).map((answer) => `  ${answer}`),
    )
  }
  if (backAfter > BACK_WITHIN)
    late.push(`${phase.name}: Redis was back for ${backAfter.toFixed(1)} s before it was asked again`)
  return late
}

/** How many there were, and the first of them. */
function complain(phase: string, what: string, requests: readonly string[]): void {
  if (requests.length === 0) return
  complaints.push(`${phase}: ${requests.length} ${what}`, ...requests.slice(0, 5).map((request) => `  ${request}`))
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000 * pace))
}
