import { IncomingMessage, type ServerOptions, ServerResponse } from 'node:http'

/** What of an Express application decides about the prototypes of its requests and responses. */
interface WithPrototypes {
  readonly request: object
  readonly response: object
}

/**
 * Options of a server whose requests and responses have from the start the prototypes that Express gives them.
 *
 * Express changes the prototype of each request and response, and before Node.js 24 all that follows runs on slow paths of V8. Where
 * the prototype is what it shall be, the change is none. From Node.js 24 on it is the other way round, so nothing is done there.
 */
export function matchingPrototypes({ request, response }: WithPrototypes): ServerOptions {
  if (Number(process.versions.node.split('.', 1)[0]) >= 24) return {}
  return {
    IncomingMessage: withPrototype(IncomingMessage, request),
    ServerResponse: withPrototype(ServerResponse, response),
  }
}

/** A constructor that makes what another one makes, with another prototype, which inherits from the usual one. */
function withPrototype<Constructor extends typeof IncomingMessage | typeof ServerResponse>(
  base: Constructor,
  prototype: object,
): Constructor {
  // Not a class: its prototype could not be set.
  function Matching(this: object, first: never, second: never): void {
    ;(base as unknown as (...args: never[]) => void).call(this, first, second)
  }
  // Inherits what is static, and tells V8 how many properties to expect: without it an object takes several times as long to make.
  Object.setPrototypeOf(Matching, base)
  Matching.prototype = prototype
  return Matching as unknown as Constructor
}
