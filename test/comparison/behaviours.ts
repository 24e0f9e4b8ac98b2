import { setTimeout as sleep } from 'node:timers/promises'
import { type Ask, ask, type Got } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'
import type { Handler, Peer } from './peers.js'

// What a response cache should do, as requests to a site: each function says whether a peer does it.

/** Longer than each handler takes, ms. */
const PATIENCE = 3_000
const BYTES = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte))

let sites = 0

interface Open {
  get(path: string, fields?: Ask['fields']): Promise<Got>
  clear(path: string): unknown
}

/** By the words of the README: the handler, and whether the peer does what the words say. */
export const BEHAVIOURS: Readonly<Record<string, (peer: Peer) => Promise<boolean | undefined>>> = {
  'two users with `Authorization` get their own pages': onSite(
    ({ field }) => ({ body: `page of ${field('authorization')}` }),
    async ({ get }) => {
      await get('/me', { authorization: 'Bearer ann' })
      return (await get('/me', { authorization: 'Bearer bob' })).text === 'page of Bearer bob'
    },
  ),
  'a page made from a cookie reaches only visitors with that cookie': onSite(
    ({ field }) => ({ body: `page for ${field('cookie')}` }),
    async ({ get }) => {
      await get('/themed', { cookie: 'theme=dark' })
      return (await get('/themed', { cookie: 'theme=light' })).text === 'page for theme=light'
    },
  ),
  'a `Set-Cookie` reaches one client': onSite(
    ({ run }) => ({ body: 'welcome', fields: { 'Set-Cookie': `visit=${run}` } }),
    async ({ get }) => {
      const [first = ''] = (await get('/welcome')).lines('set-cookie')
      return !(await get('/welcome')).lines('set-cookie').includes(first)
    },
  ),
  'each host gets its own page': onSite(
    ({ host }) => ({ body: `page of ${host}` }),
    async ({ get }) => {
      await get('/', { host: 'a.example' })
      return (await get('/', { host: 'b.example' })).text === 'page of b.example'
    },
  ),
  '`private` is obeyed': onSite(
    ({ run }) => ({ body: `run ${run}`, fields: { 'Cache-Control': 'private, no-store' } }),
    async ({ get }) => {
      const first = await get('/account')
      const second = await get('/account')
      return second.text === 'run 2' && first.field('cache-control') === 'private, no-store'
    },
  ),
  'an error is not stored': onSite(
    ({ run }) => (run === 1 ? { status: 500, body: 'failed' } : { body: 'works' }),
    async ({ get }) => {
      await get('/page')
      return (await get('/page')).text === 'works'
    },
  ),
  'a body that broke off is not stored': onSite(
    ({ run }) => ({ body: 'x'.repeat(1000), breaks: run === 1 }),
    async ({ get }) => {
      await get('/page').catch(() => {})
      await sleep(100)
      return (await get('/page')).text.length === 1000
    },
  ),
  'ten requests at once run the handler once, and all get the page': onSite(
    async ({ run }) => {
      await sleep(200)
      return { body: `run ${run}` }
    },
    async ({ get }) => {
      const all = await Promise.all(Array.from({ length: 10 }, () => get('/slow')))
      return all.every(({ text }) => text === 'run 1')
    },
  ),
  'bytes come back unchanged': onSite(
    () => ({ body: BYTES, fields: { 'Content-Type': 'application/octet-stream' } }),
    async ({ get }) => {
      await get('/bytes')
      return (await get('/bytes')).body.equals(BYTES)
    },
  ),
  'the fields of the route come back': onSite(
    () => ({ body: 'list', fields: { Link: '</list?page=2>; rel="next"', 'X-Total-Count': '42' } }),
    async ({ get }) => {
      await get('/list')
      const hit = await get('/list')
      return hit.field('x-total-count') === '42' && hit.field('link') === '</list?page=2>; rel="next"'
    },
  ),
  'a stored page answers `If-None-Match` with 304': onSite(
    ({ run }) => ({ body: `run ${run}`, fields: { ETag: '"one"' } }),
    async ({ get }) => {
      await get('/page')
      return (await get('/page', { 'if-none-match': '"other", "one"' })).status === 304
    },
  ),
  'a page can be taken out of the cache': onSite(
    ({ run }) => ({ body: `run ${run}` }),
    async ({ get, clear }) => {
      await get('/page')
      const isStored = (await get('/page')).text === 'run 1'
      await clear('/page')
      return isStored && (await get('/page')).text === 'run 2'
    },
  ),
  'a handler that was running then does not bring the old page back': onSite(
    async ({ run }) => {
      await sleep(run === 1 ? 300 : 0)
      return { body: `run ${run}` }
    },
    async ({ get, clear }) => {
      const old = get('/page')
      await sleep(100)
      await clear('/page')
      await old
      return (await get('/page')).text === 'run 2'
    },
  ),
  'a Redis that is down does no harm': async (peer) => {
    if (peer.openWithoutRedis === undefined) return undefined
    const open = { ...peer, open: peer.openWithoutRedis }
    const shows = onSite(
      ({ run }) => ({ body: `run ${run}` }),
      async ({ get }) => {
        const all = [await get('/page'), await get('/page')]
        return all.every(({ status, text }) => status === 200 && text.startsWith('run'))
      },
    )
    return withoutRejections(() => shows(open))
  },
}

/** False if a promise was rejected that nothing waits for: this ends a process of Node.js. */
async function withoutRejections(shows: () => Promise<boolean>): Promise<boolean> {
  const others = process.listeners('unhandledRejection')
  let rejections = 0
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', () => {
    rejections += 1
  })
  try {
    return (await shows()) && rejections === 0
  } finally {
    process.removeAllListeners('unhandledRejection')
    for (const other of others) process.on('unhandledRejection', other)
  }
}

/** A behaviour of a site whose handler is given. A peer that leaves a client without an answer does not have it. */
function onSite(handler: Handler, shows: (site: Open) => Promise<boolean>): (peer: Peer) => Promise<boolean> {
  return async (peer) => {
    const site = await peer.open(handler)
    sites += 1
    const running = await listen(site.listener)
    // Some peers keep what a broken request has left behind, under its URL, for as long as the process lives.
    const unique = (path: string) => `/${sites}${path}`
    const get = (path: string, fields: Ask['fields'] = {}) =>
      ask(running.port, unique(path), {
        fields: { host: 'shop.example', ...fields },
        signal: AbortSignal.timeout(PATIENCE),
      })
    try {
      return await shows({ get, clear: (path) => site.clear(unique(path), (query) => get(`${path}${query}`)) })
    } catch {
      return false
    } finally {
      await running.close()
      await site.close()
    }
  }
}
