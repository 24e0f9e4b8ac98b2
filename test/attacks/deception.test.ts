import type { IncomingMessage, RequestListener } from 'node:http'
import express from 'express'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { listen } from '../middleware/hosts/listen.js'
import { lines, raw } from './raw.js'

/** What an application answers, whichever path was asked for. */
interface Page {
  readonly status?: number
  readonly fields?: Readonly<Record<string, string>>
  readonly body: string
}

type Application = (request: IncomingMessage) => Page

const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

function inExpress(page: Application): RequestListener {
  const cached = fallbackCache({ ttl: 60 })
  open.push(cached)
  const app = express()
  app.use(cached)
  app.use((req, res) => {
    const { status = 200, fields = {}, body } = page(req)
    res.status(status).set(fields).send(body)
  })
  return app
}

function inKoa(page: Application): RequestListener {
  const cached = koaCache({ ttl: 60 })
  open.push(cached)
  const app = new Koa()
  app.silent = true
  app.use(cached)
  app.use((ctx) => {
    const { status = 200, fields = {}, body } = page(ctx.req)
    ctx.status = status
    ctx.set(fields)
    ctx.body = body
  })
  return app.callback()
}

/** The response to one request, as text. */
type Get = (target: string, ...fields: readonly string[]) => Promise<string>

describe.each([
  ['Express', inExpress],
  ['Koa', inKoa],
])('in %s', (_name, serve) => {
  const start = async (page: Application): Promise<Get> => {
    const running = await listen(serve(page))
    open.push(running)
    return (target, ...fields) => raw(running.port, lines(`GET ${target} HTTP/1.1`, 'Host: a.example', ...fields))
  }

  describe('cache deception: a path that looks like a file of the site, and reaches a page of the user', () => {
    const targets = [
      '/account/style.css',
      '/account;style.css',
      '/account%3bstyle.css',
      '/account%00style.css',
      '/account%0astyle.css',
      '/account%23style.css',
      '/account%3fstyle.css',
      '/account/..%2fstyle.css',
      '/static/..%2faccount',
      '/static/../account',
      '//account/style.css',
      '/account.css',
      '/account/robots.txt',
    ]
    const account: Application = ({ headers }) => ({ body: `account of ${headers.cookie ?? 'a guest'}` })
    for (const target of targets) {
      it(`${target} keeps its page to its user, with any name of the cookie`, async () => {
        const get = await start(account)
        expect(await get(target, 'Cookie: warenkorb=ann')).toContain('account of warenkorb=ann')
        expect(await get(target)).toContain('account of a guest')
        expect(await get(target, 'Cookie: warenkorb=bob')).toContain('account of warenkorb=bob')
      })
    }
  })

  describe('delimiters: two targets that only some parsers take for one', () => {
    const pairs = [
      ['/page;lang=de', '/page;lang=en'],
      ['/page?a=1;lang=de', '/page?a=1'],
      ['/page?lang=en&lang=de', '/page?lang=en'],
      ['/page?lang=en%26lang=de', '/page?lang=en'],
      ['/page?lang%00=de', '/page?lang=de'],
      ['/page/./', '/page/'],
      ['/page%2f', '/page/'],
      ['/page%20', '/page'],
      ['/PAGE', '/page'],
      ['/page\\', '/page'],
    ] as const
    for (const [poisoned, asked] of pairs) {
      it(`${poisoned} is not answered with ${asked}, nor the reverse`, async () => {
        const get = await start(({ url }) => ({ body: `target <${url}>` }))
        expect(await get(poisoned)).toContain(`target <${poisoned}>`)
        expect(await get(asked)).toContain(`target <${asked}>`)
        expect(await get(poisoned)).toContain(`target <${poisoned}>`)
      })
    }
  })

  for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', '_method']) {
    it(`method override: a GET that ${name} makes a DELETE for the handler poisons nothing`, async () => {
      const get = await start(({ headers }) => ({ body: `did ${headers[name.toLowerCase()] ?? 'GET'}` }))
      expect(await get('/page', `${name}: DELETE`)).toContain('did DELETE')
      expect(await get('/page')).toContain('did GET')
    })
  }

  for (const name of [
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-Forwarded-Prefix',
    'X-Host',
    'X-Forwarded-Server',
    'Forwarded',
  ]) {
    it(`unkeyed input: ${name}, which the handler prints, poisons nothing`, async () => {
      const get = await start(({ headers }) => ({ body: `base ${headers[name.toLowerCase()] ?? 'none'}.` }))
      expect(await get('/page', `${name}: evil.example`)).toContain('base evil.example.')
      expect(await get('/page')).toContain('base none.')
      expect(await get('/page', `${name}: other.example`)).toContain('base other.example.')
    })
  }

  it('hop-by-hop fields: Connection that names the cookie or an API key takes no protection away', async () => {
    const get = await start(({ headers }) => ({
      body: `page of ${headers.cookie ?? headers['x-api-key'] ?? 'a guest'}.`,
    }))
    expect(await get('/page', 'Connection: close, cookie', 'Cookie: id=ann')).toContain('page of id=ann.')
    expect(await get('/page', 'Connection: close, x-api-key', 'X-Api-Key: ann')).toContain('page of ann.')
    expect(await get('/page')).toContain('page of a guest.')
  })

  it('response splitting: a line break in what the handler sends on is an error of the handler, and is not stored', async () => {
    const get = await start(({ url = '' }) => {
      const to = decodeURIComponent(url.slice(url.indexOf('?') + 1))
      return { status: 301, fields: { Location: to }, body: '' }
    })
    const target = '/to?%0d%0aSet-Cookie:%20id=evil%0d%0a%0d%0a<script>'
    for (let time = 0; time < 2; time++) {
      const got = await get(target)
      expect(got).toMatch(/^HTTP\/1\.1 500 /)
      expect(got).not.toMatch(/^set-cookie: id=evil/im)
      expect(got).not.toContain('; hit')
    }
  })

  it('denial of service: an error that one client provokes by an oversized or odd field is not what others get', async () => {
    const get = await start(({ headers }) => {
      if (Number(headers['x-oversized']?.length ?? 0) > 10) return { status: 400, body: 'too large' }
      return { body: 'the page' }
    })
    expect(await get('/page', `X-Oversized: ${'a'.repeat(5_000)}`)).toContain('400')
    expect(await get('/page')).toContain('the page')
    expect(await get('/page')).toContain('; hit')
  })

  it('tenants by host: each host has pages of its own', async () => {
    const running = await listen(serve(({ headers }) => ({ body: `tenant ${headers.host}.` })))
    open.push(running)
    for (let time = 0; time < 2; time++) {
      for (const host of ['one.example', 'two.example', 'one.example:8080', 'ONE.example']) {
        expect(await raw(running.port, lines('GET / HTTP/1.1', `Host: ${host}`))).toContain(`tenant ${host}.`)
      }
    }
  })
})
