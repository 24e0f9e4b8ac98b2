import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

// node scripts/compat-next.mjs FOLDER: whether an application that Next.js bundles, by Turbopack and by webpack, runs with the built
// package: with the ioredis of that folder, and by Turbopack without it. Ends with an error if not. `npm run compat` runs it.

const ROUTE = `
import { FallbackCache } from 'fallback-cache'

let made = 0
let cache
export const dynamic = 'force-dynamic'
export async function GET() {
  cache ??= new FallbackCache({ redis: 'redis://127.0.0.1:1' })
  const value = await cache.getOrSet('k', () => ++made, { ttl: 60 })
  return Response.json({ value, problem: cache.stats().redisError })
}
`

const folder = resolve(process.argv[2] ?? '.')
const project = join(folder, 'bundled')
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1' }
const next = join(folder, 'node_modules/next/dist/bin/next')

write()
await check('--turbopack', true)
await check('--turbopack', false)
// webpack looks into the folders around too, where this repository has ioredis; without it, see the row of webpack itself.
await check('--webpack', true)

/** The application, with a copy of the built package. */
function write() {
  rmSync(project, { recursive: true, force: true })
  mkdirSync(join(project, 'app/api/value'), { recursive: true })
  writeFileSync(join(project, 'package.json'), '{ "private": true }')
  writeFileSync(join(project, 'next.config.mjs'), `export default { turbopack: { root: ${JSON.stringify(folder)} } }\n`)
  writeFileSync(
    join(project, 'app/layout.js'),
    'export default ({ children }) => <html><body>{children}</body></html>\n',
  )
  writeFileSync(join(project, 'app/page.js'), 'export default () => <p>page</p>\n')
  writeFileSync(join(project, 'app/api/value/route.js'), ROUTE)
  for (const part of ['dist', 'package.json'])
    cpSync(part, join(project, 'node_modules/fallback-cache', part), { recursive: true })
  for (const name of ['lru-cache', '@lukeed/ms'])
    cpSync(join('node_modules', name), join(project, 'node_modules', name), { recursive: true, dereference: true })
}

/** @param {string} bundler @param {boolean} isBeside whether the bundler finds ioredis */
async function check(bundler, isBeside) {
  hide(!isBeside)
  rmSync(join(project, '.next'), { recursive: true, force: true })
  try {
    execFileSync(process.execPath, [next, 'build', bundler], {
      cwd: project,
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const { value, problem = '' } = await answered()
    const isMissing = problem.includes('needs the package "ioredis"')
    if (value !== 1 || isMissing === isBeside)
      throw new Error(`${bundler}, ${isBeside}: ${JSON.stringify({ value, problem })}`)
  } finally {
    hide(false)
  }
}

/** What the application answers when it knows that its Redis cannot be used. */
async function answered() {
  const port = await freePort()
  const server = spawn(process.execPath, [next, 'start', '-p', String(port)], {
    cwd: project,
    env,
    stdio: 'ignore',
    detached: true,
  })
  try {
    for (let at = 0; at < 100; at++) {
      await sleep(200)
      const answer = await fetch(`http://localhost:${port}/api/value`).catch(() => undefined)
      const said = answer?.ok ? /** @type {{ value: number, problem?: string }} */ (await answer.json()) : undefined
      if (said?.problem !== undefined) return said
    }
    throw new Error('the application does not answer')
  } finally {
    // With the processes that it has started.
    process.kill(-Number(server.pid))
  }
}

/** @param {boolean} isHidden whether ioredis cannot be found */
function hide(isHidden) {
  const [there, aside] = [join(folder, 'node_modules/ioredis'), join(folder, 'node_modules/.ioredis')]
  if (isHidden && existsSync(there)) renameSync(there, aside)
  if (!isHidden && existsSync(aside)) renameSync(aside, there)
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
      server.close(() => done(port))
    })
  })
}
