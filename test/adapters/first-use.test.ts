import 'reflect-metadata'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { serve } from '@hono/node-server'
import { Controller, Get, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { fallbackCache as forFastify } from '../../src/adapters/fastify.js'
import { fallbackCache as forHono } from '../../src/adapters/hono.js'
import { Cached, FallbackCacheModule } from '../../src/adapters/nestjs.js'

describe('fallbackCache of Fastify', () => {
  it('called as a plugin, says to register what it returns', () => {
    const called = forFastify as (...given: unknown[]) => unknown
    expect(() => called(Fastify(), { ttl: 60 }, () => {})).toThrow('write app.register(fallbackCache({ ttl: 60 }))')
  })
})

describe('fallbackCache of Hono', () => {
  it('mounted without being called, says to call it', async () => {
    let said = ''
    const app = new Hono()
    app.onError((error, c) => {
      said = error.message
      return c.text('failed', 500)
    })
    app.use(forHono as never)
    const server = serve({ fetch: app.fetch, port: 0 }) as Server
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(500)
    server.close()
    expect(said).toContain('write app.use(fallbackCache({ ttl: 60 }))')
  })
})

/** Starts an application with one page, and requests it twice: `Cache-Status` of the second answer. */
async function secondStatus(cacheModule: unknown, decorate: MethodDecorator): Promise<string | null> {
  class Pages {
    show(): object {
      return { madeAt: 1 }
    }
  }
  const method = Object.getOwnPropertyDescriptor(Pages.prototype, 'show')
  if (method === undefined) throw new Error('no method')
  for (const apply of [Get('page'), decorate]) apply(Pages.prototype, 'show', method)
  Controller()(Pages)
  class Application {}
  Module({ imports: [cacheModule as never], controllers: [Pages] })(Application)
  const app = await NestFactory.create(Application, { logger: false, abortOnError: false })
  await app.listen(0)
  const url = `${(await app.getUrl()).replace('[::1]', 'localhost')}/page`
  const asked = [await fetch(url), await fetch(url)]
  await app.close()
  return asked[1]?.headers.get('cache-status') ?? null
}

describe('@Cached', () => {
  it.each([
    [{ ttl: '60' }, 'ttl must be a number of seconds or a duration such as "5m", got "60"'],
    [{ expire: 60 }, 'unknown option "expire" of fallbackCache; did you mean "ttl"?'],
    [{ redis: 'redis://localhost' }, 'redis must not be passed to with()'],
    [60, 'options of with() must be an object, got 60'],
  ])('refuses %j when the program is loaded', (options, message) => {
    expect(() => Cached(options as never)).toThrow(message)
  })

  it('without a call says to call it', () => {
    const used = Cached as (...given: unknown[]) => unknown
    expect(() => used({}, 'show', { value: () => {} })).toThrow('write @Cached() or')
    expect(() => used(class Pages {})).toThrow('write @Cached() or')
  })
})

describe('FallbackCacheModule', () => {
  it('imported without forRoot is an error when the application starts', async () => {
    await expect(secondStatus(FallbackCacheModule, Cached({ ttl: 60 }))).rejects.toThrow(
      'write FallbackCacheModule.forRoot({})',
    )
  })

  it('takes the options of the middleware, for all handlers that have no other', async () => {
    const own = { ttl: 60, maxEntries: 5 }
    expect(await secondStatus(FallbackCacheModule.forRoot(own), Cached())).toMatch(/; hit; ttl=(60|59);/)
    expect(await secondStatus(FallbackCacheModule.forRoot(own), Cached({ ttl: 9 }))).toMatch(/; hit; ttl=[89];/)
    const later = FallbackCacheModule.forRootAsync({ useFactory: () => Promise.resolve(own) })
    expect(await secondStatus(later, Cached())).toContain('; hit;')
    expect(() => FallbackCacheModule.forRoot({ expire: 5 } as never)).not.toThrow()
    await expect(secondStatus(FallbackCacheModule.forRoot({ expire: 5 } as never), Cached())).rejects.toThrow(
      'unknown option "expire" of fallbackCache; did you mean "ttl"?',
    )
  })
  it('takes options from a provider of a module that only it imports', async () => {
    class Settings {
      readonly ttl = 9
    }
    class SettingsModule {}
    Module({ providers: [Settings], exports: [Settings] })(SettingsModule)
    const cache = FallbackCacheModule.forRootAsync({
      imports: [SettingsModule],
      inject: [Settings],
      useFactory: ({ ttl }: Settings) => ({ ttl }),
    })
    expect(await secondStatus(cache, Cached())).toMatch(/; hit; ttl=[89];/)
  })
})
