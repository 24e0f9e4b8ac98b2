import diagnostics from 'node:diagnostics_channel'
import { Server } from 'node:http'
import express from 'express'
import { afterEach, describe, expect, it, vi } from 'vitest'

const { emit } = Server.prototype

afterEach(() => {
  Server.prototype.emit = emit
  vi.resetModules()
})

/** Serves an application with a freshly loaded copy of the library, whose self-test has not run yet. */
async function serve(): Promise<void> {
  vi.resetModules()
  const { fallbackCache } = await import('../../../src/middleware/express.js')
  const cached = fallbackCache({ ttl: 60 })
  const server = cached.serve(express().use(cached))
  server.close()
  await cached.close()
}

describe('the self-test of the front door', () => {
  it('makes no request that a tracer sees which patches the emit method of servers', async () => {
    const seen: unknown[] = []
    Reflect.set(Server.prototype, 'emit', function (this: Server, ...args: [string, ...unknown[]]): boolean {
      if (args[0] === 'request') seen.push(args[1])
      return Boolean(Reflect.apply(emit, this, args))
    })
    await serve()
    expect(seen).toEqual([])
  })

  it('makes no request while something subscribes to the channels of Node.js', async () => {
    const seen: unknown[] = []
    const onMessage = (message: unknown): void => void seen.push(message)
    diagnostics.subscribe('http.server.request.start', onMessage)
    try {
      await serve()
    } finally {
      diagnostics.unsubscribe('http.server.request.start', onMessage)
    }
    expect(seen).toEqual([])
  })
})
