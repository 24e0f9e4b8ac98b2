import type { Context } from 'koa'
import type { ResponseCache } from '../../http/protocol/index.js'
import { type FrontDoor, fronted } from '../front-door/index.js'
import { FrontedKoa, isKoaApplication, type KoaApplication } from './application.js'

export type { FrontDoor, FrontDoorOptions, ServeOptions } from '../front-door/index.js'

/** Gives a middleware the methods that serve its hits in front of a Koa application, and returns it. */
export function frontedKoa<Middleware extends object>(
  middleware: Middleware,
  responses: ResponseCache<Context>,
): Middleware & FrontDoor<KoaApplication> {
  return fronted(middleware, responses, {
    takes: 'a Koa application',
    isApplication: isKoaApplication,
    front: (app, options) => new FrontedKoa(app, middleware, options),
    serverOptions: () => ({}),
  })
}
