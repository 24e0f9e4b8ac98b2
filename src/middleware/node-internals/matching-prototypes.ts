import { IncomingMessage, type ServerOptions, ServerResponse } from 'node:http'

/** The prototypes that an Express application gives its requests and responses. */
interface WithPrototypes {
  readonly request: object
  readonly response: object
}

/** From this major version of Node.js on, the constructors cost more than the calls that they save. */
const FIRST_WITHOUT = 25

/**
 * Server options that create requests and responses with Express's prototypes from the start.
 *
 * Express changes the prototype of each request and response, for which V8 looks up their shapes again, property by
 * property; before Node.js 24 it also puts all later property accesses on slow paths. `setPrototypeOf` is a no-op when
 * the prototype already matches.
 */
export function matchingPrototypes({ request, response }: WithPrototypes): ServerOptions {
  if (Number(process.versions.node.split('.', 1)[0]) >= FIRST_WITHOUT) return {}
  return {
    IncomingMessage: withPrototype(IncomingMessage, request),
    ServerResponse: withPrototype(ServerResponse, response),
  }
}

/** A constructor like `base`, but with another prototype, which inherits from the base prototype. */
function withPrototype<Constructor extends typeof IncomingMessage | typeof ServerResponse>(
  base: Constructor,
  prototype: object,
): Constructor {
  // Not a class, because the prototype of a class is not writable.
  function Matching(this: object, first: never, second: never): void {
    ;(base as unknown as (...args: never[]) => void).call(this, first, second)
  }
  // Inherits static properties, and lets V8 preallocate properties; without it construction takes several times as
  // long.
  Object.setPrototypeOf(Matching, base)
  Matching.prototype = prototype
  return Matching as unknown as Constructor
}
