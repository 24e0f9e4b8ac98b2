import type { Server, ServerOptions } from 'node:http'
import { shown } from '../../core/option-checks.js'
import type { ResponseCache } from '../../http/protocol/index.js'
import type { FrontedApplication } from './application.js'
import { Doorway, type FrontDoor, type ServeOptions } from './front-door.js'
import { checkFrontDoorOptions, type FrontDoorOptions } from './front-door-options.js'
import { recognizable } from './original.js'

/** How the applications of one framework are served. */
export interface Fronting<Application> {
  /** What `serve` and `listener` take, for the error about other values. */
  readonly takes: string
  readonly isApplication: (app: unknown) => app is Application
  /** @throws RangeError if `skipOnHit` lists a function that is not mounted before the cache */
  readonly front: (app: Application, options: FrontDoorOptions) => FrontedApplication
  /** The options of a server that the application needs. */
  readonly serverOptions: (app: Application) => ServerOptions
}

/** Gives a middleware the methods that serve its hits in front of an application, and returns it. */
export function fronted<Middleware extends object, Context extends object, Application>(
  middleware: Middleware,
  responses: ResponseCache<Context>,
  { takes, isApplication, front, serverOptions }: Fronting<Application>,
): Middleware & FrontDoor<Application> {
  const doorway = (app: Application, options: FrontDoorOptions, of: 'serve' | 'listener') => {
    if (!isApplication(app)) throw new TypeError(`${of}() takes ${takes}, got ${shown(app)}`)
    checkFrontDoorOptions(options, of)
    return new Doorway(responses, front(app, options))
  }
  return Object.assign(recognizable(middleware), {
    serve: <S extends Server>(app: Application, options: ServeOptions<S> = {}): S =>
      doorway(app, options, 'serve').serve(serverOptions(app), options.createServer),
    listener: (app: Application, options: FrontDoorOptions = {}) => doorway(app, options, 'listener').listener,
  })
}
