import express5, { type Express } from 'express'
import express4 from 'express4'
import Koa from 'koa'
import Koa2 from 'koa2'
import { afterEach, beforeEach } from 'vitest'
import {
  type FallbackCacheMiddleware as ExpressCache,
  type MiddlewareOptions as ExpressOptions,
  fallbackCache as expressCache,
} from '../../src/middleware/express.js'
import {
  type FallbackCacheMiddleware as KoaCache,
  type MiddlewareOptions as KoaOptions,
  fallbackCache as koaCache,
} from '../../src/middleware/koa.js'
import { type Ask, ask, type Got } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'
import { ManualClock } from '../support/manual-clock.js'

/** The versions of Express, each with what makes an application that prints no errors. */
export const expresses = [
  ['Express 5', () => silent(express5())],
  ['Express 4', () => silent(express4())],
] as const

/** The versions of Koa, each with what makes an application that prints no errors. */
export const koas = [
  ['Koa 3', () => Object.assign(new Koa(), { silent: true })],
  ['Koa 2', () => Object.assign(new Koa2() as Koa, { silent: true })],
] as const

/** Asks one running application. */
export interface Client {
  (path: string, options?: Ask): Promise<Got>
  readonly port: number
}

/** Where one test plays: it makes caches and runs applications, and takes them down afterwards. */
export interface Stage {
  readonly clock: ManualClock
  /** A cache for Express that keeps everything for a minute, on the manual clock. */
  express(options?: ExpressOptions): ExpressCache
  /** The same for Koa. */
  koa(options?: KoaOptions): KoaCache
  /** Serves an application over a socket. */
  serve(app: Express | Koa): Promise<Client>
}

/** Prepares a fresh stage before each test of the file. */
export function useStage(): Stage {
  const open: { close(): Promise<unknown> }[] = []
  const keep = <One extends { close(): Promise<unknown> }>(one: One): One => {
    open.push(one)
    return one
  }
  let clock = new ManualClock(Date.now())
  beforeEach(() => {
    clock = new ManualClock(Date.now())
  })
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close()
  })
  return {
    get clock() {
      return clock
    },
    express: (options) => keep(expressCache({ ttl: 60, clock, ...options })),
    koa: (options) => keep(koaCache({ ttl: 60, clock, ...options })),
    serve: async (app) => {
      const { port } = keep(await listen('callback' in app ? app.callback() : app))
      return Object.assign((path: string, options?: Ask) => ask(port, path, options), { port })
    },
  }
}

/** The cookies that an answer sets, as a browser sends them back. */
export function cookiesOf(got: Got): string {
  return got
    .lines('set-cookie')
    .map((line) => line.split(';', 1)[0])
    .join('; ')
}

function silent(app: Express): Express {
  return app.set('env', 'test')
}
