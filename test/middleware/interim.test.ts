import { connect } from 'node:net'
import express from 'express'
import Koa from 'koa'
import { afterEach, describe, expect, it } from 'vitest'
import { fallbackCache as expressCache } from '../../src/middleware/express.js'
import { fallbackCache as koaCache } from '../../src/middleware/koa.js'
import { listen } from './hosts/listen.js'

const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

const LINK = '</style.css>; rel=preload'

const applications = {
  Express: () => {
    const cached = expressCache({ ttl: 60 })
    const app = express()
    app.use(cached, (_req, res) => {
      res.writeEarlyHints({ link: LINK })
      res.writeProcessing()
      res.send('page')
    })
    return { cached, listener: app }
  },
  Koa: () => {
    const cached = koaCache({ ttl: 60 })
    const app = new Koa()
    app.use(cached).use((ctx) => {
      ctx.res.writeEarlyHints({ link: LINK })
      ctx.res.writeProcessing()
      ctx.body = 'page'
    })
    return { cached, listener: app.callback() }
  },
}

/** All bytes of the answer to one request over a connection of its own. */
function bytesOf(port: number, head: string, body = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(`${head}\r\nHost: a\r\nConnection: close\r\n\r\n`))
    socket.on('data', (chunk) => {
      text += chunk
      if (body !== '' && text.startsWith('HTTP/1.1 100')) socket.write(body)
      body = text.startsWith('HTTP/1.1 100') ? '' : body
    })
    socket.on('error', reject).on('close', () => resolve(text))
  })
}

function statusesIn(text: string): number[] {
  return [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status))
}

describe.each(Object.entries(applications))('interim responses in %s', (_name, make) => {
  it('reach the client when the handler runs, and are no part of what is stored', async () => {
    const { cached, listener } = make()
    const running = await listen(listener)
    open.push(cached, running)
    const miss = await bytesOf(running.port, 'GET /page HTTP/1.1')
    expect(statusesIn(miss)).toEqual([103, 102, 200])
    expect(miss).toContain(`Link: ${LINK}`)
    expect(miss).toContain('stored')
    const hit = await bytesOf(running.port, 'GET /page HTTP/1.1')
    expect(statusesIn(hit)).toEqual([200])
    expect(hit).toContain('hit; ')
    expect(hit).not.toContain('Link')
  })

  it('ask for the body of a request that waits to be asked', async () => {
    const { cached, listener } = make()
    const running = await listen(listener)
    open.push(cached, running)
    const head = 'POST /page HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4'
    expect(statusesIn(await bytesOf(running.port, head, 'body'))).toEqual([100, 103, 102, 200])
  })
})
