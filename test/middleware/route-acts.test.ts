import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { connect, createServer as createHttp2Server, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import express5, { type Express } from 'express'
import express4 from 'express4'
import Koa3 from 'koa'
import Koa2 from 'koa2'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache as expressCache, type MiddlewareOptions } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { ask } from './hosts/client.js'

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

/** Work on a response: of middleware in front of the cache, or of the route. */
type Work = (res: ServerResponse, run: number) => void
type Options = Pick<MiddlewareOptions, 'ttl' | 'storeSetCookie' | 'preset'>
type Hosts = Record<string, (options: Options, outer: Work, route: Work) => RequestListener>

const hosts: Hosts = {
  'node:http': (options, outer, route) => {
    const cached = expressCache(options)
    open.push(() => cached.close())
    const runs = counted(outer, route)
    return (req, res) => {
      runs.outer(res)
      cached(req, res, () => {
        runs.route(res)
        res.end('page')
      })
    }
  },
  'Express 5': expressHost(express5),
  'Express 4': expressHost(express4),
  'Koa 3': koaHost(Koa3),
  'Koa 2': koaHost(Koa2 as unknown as typeof Koa3),
}

function expressHost(createApplication: () => Express): Hosts[string] {
  return (options, outer, route) => {
    const app = createApplication()
    const cached = expressCache(options)
    open.push(() => cached.close())
    const runs = counted(outer, route)
    app.use((_req, res, next) => {
      runs.outer(res)
      next()
    })
    app.use(cached)
    app.get('/page', (_req, res) => {
      runs.route(res)
      res.send('page')
    })
    return app
  }
}

function koaHost(Application: typeof Koa3): Hosts[string] {
  return (options, outer, route) => {
    const app = new Application()
    const cached = koaCache(options)
    open.push(() => cached.close())
    const runs = counted(outer, route)
    app.use((ctx, next) => {
      runs.outer(ctx.res)
      return next()
    })
    app.use(cached)
    app.use((ctx) => {
      runs.route(ctx.res)
      ctx.body = 'page'
    })
    return app.callback()
  }
}

function counted(outer: Work, route: Work) {
  let [outers, routes] = [0, 0]
  return {
    outer: (res: ServerResponse) => outer(res, ++outers),
    route: (res: ServerResponse) => route(res, ++routes),
  }
}

async function listen(listener: RequestListener, create: (listener: never) => { listen: unknown } = createServer) {
  const server = create(listener as never) as ReturnType<typeof createServer>
  await once(server.listen(0, '127.0.0.1'), 'listening')
  open.push(() => server.close())
  return (server.address() as AddressInfo).port
}

interface Case {
  readonly outer: Work
  readonly route: Work
  readonly options?: Options
  /** The fields of the second answer; `undefined`: none. */
  readonly hit: Readonly<Record<string, readonly string[] | undefined>>
  /** @defaultValue true */
  readonly isStored?: boolean
}

/** As frameworks append to a list. */
function appendLink(res: ServerResponse, link: string): void {
  const before = res.getHeader('Link')
  res.setHeader('Link', before === undefined ? link : `${before}, ${link}`)
}

const shared: Options = { ttl: 60, storeSetCookie: true }

const cases: Record<string, Case> = {
  'a value that stood in front already, once the route has set it': {
    outer: (res, run) => res.setHeader('X-Mode', run === 1 ? 'dark' : 'light'),
    route: (res) => res.setHeader('X-Mode', 'dark'),
    hit: { 'x-mode': ['dark'] },
  },
  'no value of the middleware in front': {
    outer: (res, run) => res.setHeader('X-Mode', run === 1 ? 'dark' : 'light'),
    route: () => {},
    hit: { 'x-mode': ['light'] },
  },
  'a value by setHeaders': {
    outer: (res, run) => res.setHeader('X-Mode', run === 1 ? 'dark' : 'light'),
    route: (res) => res.setHeaders(new Map([['X-Mode', 'dark']])),
    hit: { 'x-mode': ['dark'] },
  },
  'lines that the route appended, behind those of this client': {
    outer: (res, run) => res.setHeader('Link', `</${run}>`),
    route: (res) => res.appendHeader('Link', '</of-route>'),
    hit: { link: ['</2>', '</of-route>'] },
  },
  'members that the route put behind a text, after those of this client': {
    outer: (res, run) => res.setHeader('Link', `</${run}>`),
    route: (res) => res.setHeader('Link', `${res.getHeader('Link')}, </of-route>`),
    hit: { link: ['</2>, </of-route>'] },
  },
  'a field that the route replaced': {
    outer: (res, run) => res.setHeader('Link', `</${run}>`),
    route: (res) => res.setHeader('Link', '</of-route>'),
    hit: { link: ['</of-route>'] },
  },
  'no field that the route removed': {
    outer: (res) => res.setHeader('X-Mode', 'dark'),
    route: (res) => res.removeHeader('X-Mode'),
    hit: { 'x-mode': undefined },
  },
  'no field that the route removed when the client had none': {
    outer: (res, run) => void (run > 1 && res.setHeader('X-Mode', 'dark')),
    route: (res) => res.removeHeader('X-Mode'),
    hit: { 'x-mode': undefined },
  },
  'what the route appended when the client had nothing, behind what this client has': {
    outer: (res, run) => void (run > 1 && res.setHeader('Link', '</2>')),
    route: (res) => res.appendHeader('Link', '</of-route>'),
    hit: { link: ['</2>, </of-route>'] },
  },
  'members that the route put behind nothing, behind those of this client': {
    outer: (res, run) => void (run > 1 && res.setHeader('Link', '</2>')),
    route: (res) => {
      const link = res.getHeader('Link')
      res.setHeader('Link', link === undefined ? '</of-route>' : `${link}, </of-route>`)
    },
    hit: { link: ['</2>, </of-route>'] },
  },
  'a field that the route has read and replaced': {
    outer: (res, run) => res.setHeader('Link', `</${run}>`),
    route: (res) => res.setHeader('Link', res.getHeader('Link') === undefined ? '</none>' : '</of-route>'),
    hit: { link: ['</of-route>'] },
  },
  'a field that the route removed and set again': {
    outer: (res, run) => res.setHeader('X-Mode', run === 1 ? 'dark' : 'light'),
    route: (res) => {
      res.removeHeader('X-Mode')
      res.setHeader('X-Mode', 'dark')
    },
    hit: { 'x-mode': ['dark'] },
  },
  'only what the route set and appended to, when the client had nothing': {
    outer: (res, run) => void (run > 1 && res.setHeader('X-Mode', 'of client')),
    route: (res) => {
      res.setHeader('X-Mode', 'dark')
      res.appendHeader('X-Mode', 'quiet')
    },
    hit: { 'x-mode': ['dark', 'quiet'] },
  },
  'only what the route appended after it removed the field, when the client had nothing': {
    outer: (res, run) => void (run > 1 && res.setHeader('X-Mode', 'of client')),
    route: (res) => {
      res.appendHeader('X-Mode', 'loud')
      res.removeHeader('X-Mode')
      res.appendHeader('X-Mode', 'dark')
    },
    hit: { 'x-mode': ['dark'] },
  },
  'only what the route set after it had appended, when the client had nothing': {
    outer: (res, run) => void (run > 1 && res.setHeader('X-Mode', 'of client')),
    route: (res) => {
      res.appendHeader('X-Mode', 'loud')
      res.setHeader('X-Mode', 'dark')
      res.appendHeader('X-Mode', 'quiet')
    },
    hit: { 'x-mode': ['dark', 'quiet'] },
  },
  'only what the route set after it had put members behind nothing': {
    outer: (res, run) => void (run > 1 && res.setHeader('Link', '</2>')),
    route: (res) => {
      appendLink(res, '</lost>')
      res.setHeader('Link', '</of-route>')
    },
    hit: { link: ['</of-route>'] },
  },
  'only the members that the route put behind a field that it had removed': {
    outer: (res, run) => void (run > 1 && res.setHeader('Link', '</2>')),
    route: (res) => {
      res.removeHeader('Link')
      appendLink(res, '</of-route>')
    },
    hit: { link: ['</of-route>'] },
  },
  'all that the route appended in both ways when the client had nothing, behind what this client has': {
    outer: (res, run) => void (run > 1 && res.setHeader('Link', '</2>')),
    route: (res) => {
      res.appendHeader('Link', '</a>')
      appendLink(res, '</b>')
      appendLink(res, '</c>')
    },
    hit: { link: ['</2>, </a>, </b>, </c>'] },
  },
  'nothing of an answer that the route made from a field to which it had appended': {
    outer: (res, run) => void (run > 1 && res.setHeader('X-Mode', 'of client')),
    route: (res) => {
      res.appendHeader('X-Mode', 'dark')
      res.setHeader('X-All', String(res.getHeader('X-Mode')))
    },
    isStored: false,
    hit: { 'x-all': ['of client,dark'] },
  },
  'the cookie of the route beside that of this client': {
    options: shared,
    outer: (res, run) => res.setHeader('Set-Cookie', `visit=${run}`),
    route: (res) => res.appendHeader('Set-Cookie', 'theme=dark'),
    hit: { 'set-cookie': ['visit=2', 'theme=dark'] },
  },
  'no cookie of another client, where the route changed the array of all': {
    options: shared,
    outer: (res, run) => res.setHeader('Set-Cookie', [`visit=${run}`]),
    route: (res) => {
      const cookies = res.getHeader('Set-Cookie') as string[]
      cookies.push('theme=dark')
      res.setHeader('Set-Cookie', cookies)
    },
    hit: { 'set-cookie': ['visit=2', 'theme=dark'] },
  },
  'the same cookie as in front, once the route has set it too': {
    options: shared,
    outer: (res, run) => res.setHeader('Set-Cookie', run === 1 ? ['theme=dark'] : ['theme=light']),
    route: (res) => res.appendHeader('Set-Cookie', 'theme=dark'),
    hit: { 'set-cookie': ['theme=light', 'theme=dark'] },
  },
  'nothing of an answer whose cookie was pushed into the array in place': {
    outer: (res, run) => res.setHeader('Set-Cookie', [`visit=${run}`]),
    route: (res) => (res.getHeader('Set-Cookie') as string[]).push('form=1'),
    isStored: false,
    hit: {},
  },
  'nothing of an answer that sets the same cookie as middleware in front': {
    outer: (res) => res.setHeader('Set-Cookie', 'form=1'),
    route: (res) => res.setHeader('Set-Cookie', 'form=1'),
    isStored: false,
    hit: {},
  },
}

describe('a hit has', () => {
  for (const [name, host] of Object.entries(hosts)) {
    for (const [what, { outer, route, hit, options = { ttl: 60 }, isStored = true }] of Object.entries(cases)) {
      it(`${what}, in ${name}`, async () => {
        const port = await listen(host(options, outer, route))
        await ask(port, '/page')
        const second = await ask(port, '/page')
        expect(second.cacheStatus.hit).toBe(isStored)
        for (const [field, lines] of Object.entries(hit))
          expect([field, second.lines(field)]).toEqual([field, lines ?? []])
      })
    }
  }

  for (const [what, { outer, route, hit, options = { ttl: 60 }, isStored = true }] of Object.entries(cases)) {
    // http2 has no setHeaders.
    it.skipIf(what.includes('setHeaders'))(`${what}, over HTTP/2`, async () => {
      const listener = hosts['node:http']?.(options, outer, route) ?? (() => {})
      const port = await listen(listener, createHttp2Server as never)
      await askOverHttp2(port)
      const second = await askOverHttp2(port)
      expect(String(second['cache-status']).includes('; hit')).toBe(isStored)
      for (const [field, lines] of Object.entries(hit)) {
        expect([field, [second[field] ?? []].flat().join(', ')]).toEqual([field, (lines ?? []).join(', ')])
      }
    })
  }

  it('no list of another client after a conditional request on a miss', async () => {
    for (const host of Object.values(hosts)) {
      const outer: Work = (res, run) => {
        res.setHeader('Link', `</${run}>`)
        res.setHeader('Vary', 'Origin')
      }
      const route: Work = (res) => {
        res.setHeader('ETag', '"one"')
        res.appendHeader('Link', '</of-route>')
      }
      const port = await listen(host({ ttl: 60 }, outer, route))
      const first = await ask(port, '/page', { fields: { 'if-none-match': '"one"' } })
      expect([first.status, first.lines('link')]).toEqual([304, ['</1>', '</of-route>']])
      const second = await ask(port, '/page', { fields: { 'if-none-match': '"one"' } })
      expect([second.status, second.lines('link'), second.field('vary')]).toEqual([
        304,
        ['</2>', '</of-route>'],
        'Origin',
      ])
    }
  })

  it('no field that the route removed, after a conditional request on a miss', async () => {
    for (const host of Object.values(hosts)) {
      const outer: Work = (res) => res.setHeader('X-Mode', 'dark')
      const route: Work = (res) => {
        res.setHeader('ETag', '"one"')
        res.removeHeader('X-Mode')
      }
      const port = await listen(host({ ttl: 60 }, outer, route))
      for (const outcome of ['miss', 'hit']) {
        const answer = await ask(port, '/page', { fields: { 'if-none-match': '"one"' } })
        expect([outcome, answer.status, answer.lines('x-mode')]).toEqual([outcome, 304, []])
      }
    }
  })
})

async function askOverHttp2(port: number): Promise<IncomingHttpHeaders> {
  const session = connect(`http://127.0.0.1:${port}`)
  open.push(() => session.destroy())
  const stream = session.request({ ':path': '/page' })
  stream.resume()
  const [fields] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  return fields
}
