import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { isNeutralName } from '../../http/port/index.js'
import { chainOf } from './prototype-chain.js'

/** An object on which middleware sets properties. */
export type Place = 'req' | 'res' | 'ctx' | 'request' | 'reply' | 'req of Koa' | 'res of Koa'

/** The names that frameworks do not add themselves, and that are not neutral. */
export function addedNames(prefix: Place, names: readonly string[]): readonly string[] {
  const last = LAST[prefix]
  // Most objects have the same properties in the same order.
  if (last !== undefined && isSame(names, last.names)) return last.added
  const added = names.filter((name) => !OWN_NAMES[prefix].has(name) && (!isNeutralIn(prefix, name) || isTold(name)))
  LAST[prefix] = { names, added }
  return added
}

/** Whether a name is neutral on an object: the rule for logged-in users only knows some places. */
export function isNeutralIn(prefix: Place, name: string): boolean {
  return isNeutralName(name) && (name !== 'user' || prefix === 'req')
}

/** Whether a value under a neutral name counts if middleware in front has set it. */
function isTold(name: string): boolean {
  return name === 'compress'
}

const LAST: Partial<Record<Place, { readonly names: readonly string[]; readonly added: readonly string[] }>> = {}

function isSame(names: readonly string[], others: readonly string[]): boolean {
  if (names.length !== others.length) return false
  for (let at = 0; at < names.length; at += 1) if (names[at] !== others[at]) return false
  return true
}

/** The private names of Node.js, of its own properties and of inherited ones, which streams and emitters redefine. */
function namesOfNode(made: object): readonly string[] {
  const inherited = chainOf(made).flatMap(Object.getOwnPropertyNames)
  return [...Object.getOwnPropertyNames(made), ...inherited.filter((name) => name.startsWith('_'))]
}

/** Where Express and its parsers put what they find, in Koa by way of koa-connect: nothing else observes them there. */
const OF_EXPRESS: ReadonlySet<string> = new Set([
  ...['app', 'baseUrl', 'body', 'file', 'files', 'next', 'originalUrl', 'params', 'path', 'query', 'rawBody', 'res'],
  ...['route', 'secret'],
])

/**
 * Properties that Node.js and Express add to each request, and those of parsers and authentication, which have separate
 * rules.
 */
const KNOWN_OF_REQUEST: ReadonlySet<string> = new Set([
  ...namesOfNode(new IncomingMessage(new Socket())),
  ...OF_EXPRESS,
  ...['connection', 'cookies', 'headers', 'headersDistinct', 'rawHeaders', 'session', 'signedCookies', 'stream', 'url'],
])

/** Properties that Koa adds to each context, and those that are part of the key. */
const KNOWN_OF_CONTEXT: ReadonlySet<string> = new Set([
  ...['app', 'body', 'cookies', 'fallbackCache', 'newRouterPath', 'originalUrl', 'params', 'req', 'request', 'res'],
  ...['respond', 'response', 'routerPath', 'session', 'state'],
])

/** Properties of a context that routers and parsers behind the cache look for, or set. */
const ASKED_OF_CONTEXT: ReadonlySet<string> = new Set([
  ...KNOWN_OF_CONTEXT,
  ...['disableBodyParser', 'matched', 'mountPath'],
])

/** Properties that Node.js, frameworks and parsers add to each response, or to each request of Koa. */
const KNOWN_OF_RESPONSE: ReadonlySet<string> = new Set([
  ...namesOfNode(new ServerResponse(new IncomingMessage(new Socket()))),
  ...[
    '_maxRequestsPerSocket',
    'app',
    'fallbackCache',
    // compression
    'flush',
    'locals',
    'req',
    'statusCode',
    'statusMessage',
    'stream',
    'writable',
  ],
])
const KNOWN_OF_KOA_REQUEST: ReadonlySet<string> = new Set([
  ...['accept', 'app', 'body', 'ctx', 'files', 'memoizedURL', 'originalUrl', 'rawBody', 'req', 'res', 'response'],
  // Observed by rules of their own.
  ...['host', 'href', 'protocol', 'query', 'querystring', 'search', 'URL', 'url'],
])

/** What Koa sets on its response; the content is observed by rules of its own. */
const KNOWN_OF_KOA_RESPONSE: ReadonlySet<string> = new Set(['app', 'body', 'ctx', 'req', 'request', 'res'])

/** Properties that are not inputs if an object has them, of each kind of object. */
const OWN_NAMES: Readonly<Record<Place, ReadonlySet<string>>> = {
  req: KNOWN_OF_REQUEST,
  'req of Koa': new Set([...KNOWN_OF_REQUEST].filter((name) => !OF_EXPRESS.has(name))),
  res: KNOWN_OF_RESPONSE,
  // Where middleware of Express puts values by way of koa-connect.
  'res of Koa': new Set([...KNOWN_OF_RESPONSE].filter((name) => name !== 'locals')),
  ctx: KNOWN_OF_CONTEXT,
  request: KNOWN_OF_KOA_REQUEST,
  reply: KNOWN_OF_KOA_RESPONSE,
}

/** Properties that are not inputs if an object does not have them. */
export const ABSENT_NAMES: Readonly<Record<'req' | 'ctx', ReadonlySet<string>>> = {
  req: KNOWN_OF_REQUEST,
  ctx: ASKED_OF_CONTEXT,
}
