import { AppsProcess } from './outage/apps-process.js'
import { Phase, tableHead, tableRow } from './outage/phase.js'
import { Users } from './outage/users.js'
import { findRedisServer, PrivateRedis } from './private-redis.js'
import { KNOWN_CITIES, POPULAR_PATHS } from './traffic.js'

/*
 * An outage as users meet it: Redis freezes, goes on, dies, comes back with its old data and comes back empty, while people
 * read and write through an Express app and a Koa app in another process. Ends with 1 if one of them would have noticed.
 *
 *   --short   less than half the time in each phase
 */

const REQUESTS_PER_SECOND = 120
/** How much slower than without an outage the slowest hundredth may be, in milliseconds. */
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
const redis = await PrivateRedis.start(binary)
const apps = await AppsProcess.start(redis.url)
const users = new Users(apps.origin, REQUESTS_PER_SECOND)
let handlerRuns = 0

console.log(`${REQUESTS_PER_SECOND} requests a second to ${apps.origin}, Express and Koa in turn; Redis is ${binary}\n`)
console.log(tableHead())

try {
  await phase('warm: every page once', readEveryPage, { timed: false })
  users.start()
  await phase('all is well', () => sleep(PHASE))
  const usual = await phase('all is well, records written', whileWriting(PHASE))

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
  await users.stop()
  await phase('every record, in both apps', readEveryRecord)

  judge(Math.max(IMMEDIATE_MS, usual.quantile(0.99) + SLOWER_MS))
} finally {
  await users.stop()
  users.close()
  await apps.stop()
  await redis.stop()
}

/** Runs a part of the story and prints its line. */
async function phase(name: string, story: () => Promise<void>, { timed = true } = {}): Promise<Phase> {
  const current = new Phase(name, timed)
  users.enter(current)
  await story()
  const { handlerRuns: runs } = await apps.state()
  current.handlerRuns = runs - handlerRuns
  handlerRuns = runs
  phases.push(current)
  console.log(tableRow(current))
  return current
}

function whileWriting(seconds: number): () => Promise<void> {
  return async () => {
    users.write(true)
    await sleep(seconds)
    users.write(false)
  }
}

async function readEveryPage(): Promise<void> {
  for (const path of POPULAR_PATHS) await users.read(path)
}

async function readEveryRecord(): Promise<void> {
  for (const city of KNOWN_CITIES) {
    await users.read(`/cities/${city.id}`, 'express')
    await users.read(`/cities/${city.id}`, 'koa')
  }
}

/** Goes on until answers come from Redis again, and for a while longer. */
async function untilRedisAnswers(): Promise<void> {
  const before = (await apps.state()).stats.counters.redisHits
  const returned = performance.now()
  const waited = () => (performance.now() - returned) / 1000
  while ((await apps.state()).stats.counters.redisHits === before && waited() < 2 * BACK_WITHIN)
    await sleep(0.05 / pace)
  if (waited() > BACK_WITHIN) complaints.push(`Redis was back for ${waited().toFixed(1)} s before it was asked again`)
  await sleep(PHASE)
}

function judge(limit: number): void {
  for (const each of phases) {
    const p99 = each.quantile(0.99)
    if (each.failed > 0) complaints.push(`${each.name}: ${each.failed} answers were no 200`)
    if (each.outdated > 0)
      complaints.push(`${each.name}: ${each.outdated} answers were older than an acknowledged write`)
    if (each.timed && p99 > limit)
      complaints.push(`${each.name}: p99 of ${p99.toFixed(0)} ms, over ${limit.toFixed(0)} ms`)
  }
  const total = phases.reduce((sum, each) => sum + each.requests, 0)
  if (complaints.length === 0)
    console.log(`\n${total} requests, and no user noticed: p99 within ${limit.toFixed(0)} ms throughout.`)
  else console.error(`\nUsers noticed:\n${complaints.map((complaint) => `  ${complaint}`).join('\n')}`)
  process.exitCode = complaints.length === 0 ? 0 : 1
}

function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000 * pace))
}
