import type { Request } from 'express'
import type { ResponseCache } from '../../http/protocol/index.js'
import { type FrontDoor, fronted, matchingPrototypes } from '../front-door/index.js'
import { type ExpressApplication, FrontedExpress, isExpressApplication } from './application.js'

export type { FrontDoor, FrontDoorOptions, ServeOptions } from '../front-door/index.js'

/** Gives a middleware the methods that serve its hits in front of an Express application, and returns it. */
export function frontedExpress<Middleware extends object>(
  middleware: Middleware,
  responses: ResponseCache<Request>,
): Middleware & FrontDoor<ExpressApplication> {
  return fronted(middleware, responses, {
    takes: 'an Express application',
    isApplication: isExpressApplication,
    front: (app, options) => new FrontedExpress(app, middleware, options),
    serverOptions: matchingPrototypes,
  })
}
