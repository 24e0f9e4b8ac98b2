import { createHash } from 'node:crypto'
import { pathOf } from '../../http/port/index.js'
import { isRecognizable, originalOf } from '../front-door/index.js'
import { type ExpressApplication, type Layer, type Router, stackOf } from './application.js'

/** A route of a router. */
type Route = NonNullable<Layer['route']>

/** A request that has reached a route. */
interface Routed {
  readonly app?: unknown
  readonly baseUrl?: string
  readonly url?: string
  readonly method?: string
  readonly route?: unknown
}

/** Maximum number of paths that are remembered for one route, and the length of the longest, in characters. */
const MOST_PATHS = 500
const LONGEST_PATH = 1_024

/** How deep nested routers are searched. */
const DEEPEST = 16

/** For each route, by method and path: whether the request matches another route with a cache, too. */
const contested = new WeakMap<Route, Map<string, boolean>>()

/**
 * Whether middleware in front may have chosen the route of a request among several with a cache, as `next('route')` does:
 * the URL alone does not tell which of their pages is meant.
 */
export function isContested(request: Routed): boolean {
  const { app, baseUrl = '', url = '', method = 'GET' } = request
  const route = routeOf(request)
  if (route === undefined || !isApplication(app)) return false
  const path = pathOf(baseUrl + url)
  let paths = contested.get(route)
  if (paths === undefined || paths.size >= MOST_PATHS) {
    paths = new Map()
    contested.set(route, paths)
  }
  const target = `${method} ${path}`
  const known = paths.get(target)
  if (known !== undefined) return known
  const isChosen = !isOnly(route, app, { method, path })
  if (target.length <= LONGEST_PATH) paths.set(target, isChosen)
  return isChosen
}

/** A text that identifies the route of a request in all processes with the same code; `undefined` if no route was reached. */
export function routeText(request: Routed): string | undefined {
  const route = routeOf(request)
  if (route === undefined) return undefined
  const known = texts.get(route)
  if (known !== undefined) return known
  const code = codeOf(route)
  const alike = isApplication(request.app)
    ? routesIn(stackOf(request.app), 0).filter((one) => codeOf(one) === code)
    : []
  const text = `${createHash('sha256').update(code).digest('base64url').slice(0, 16)}.${alike.indexOf(route)}`
  texts.set(route, text)
  return text
}

const texts = new WeakMap<Route, string>()

function routeOf({ route }: Routed): Route | undefined {
  return typeof route === 'object' && route !== null && Array.isArray((route as Partial<Route>).stack)
    ? (route as Route)
    : undefined
}

function isApplication(app: unknown): app is ExpressApplication {
  return typeof app === 'function'
}

/** The method and path of a request. */
interface Asked {
  readonly method: string
  readonly path: string
}

/** Whether an application has a route, and no other one with a cache for the same method and path. */
function isOnly(route: Route, app: ExpressApplication, { method, path }: Asked): boolean {
  const base = (app as { readonly path?: () => string }).path?.() ?? ''
  // A full parser reads other URLs, and an application may be mounted at a pattern.
  if (path.charCodeAt(0) !== 0x2f || !path.startsWith(base)) return false
  try {
    const reached = reachedIn(stackOf(app), path.slice(base.length) || '/', 0)
    // A router that the application calls by itself is not in its stack.
    return reached.includes(route) && reached.every((one) => one === route || !hasCache(one) || !isFor(one, method))
  } catch {
    return false
  }
}

/** The routes that a path reaches. */
function reachedIn(stack: readonly Layer[], path: string, depth: number): readonly Route[] {
  if (depth > DEEPEST) return []
  return stack.flatMap((layer) => {
    const { route } = layer
    const { stack: inner } = layer.handle as Router
    if (route === undefined && inner === undefined) return []
    const match = layer.match(path)
    if (match === false) return []
    if (route !== undefined) return [route]
    // Routers of Express 4 store the last match in the layer.
    const matched = typeof match === 'object' ? match.path : (layer.path ?? '')
    return reachedIn(inner ?? [], path.slice(matched.length) || '/', depth + 1)
  })
}

function routesIn(stack: readonly Layer[], depth: number): readonly Route[] {
  if (depth > DEEPEST) return []
  return stack.flatMap(({ route, handle }) =>
    route === undefined ? routesIn((handle as Router).stack ?? [], depth + 1) : [route],
  )
}

/** Whether a route has handlers for a method. A route for POST is none for GET, although its page may be stored for GET. */
function isFor({ methods }: Route, method: string): boolean {
  const name = method.toLowerCase()
  return methods._all === true || methods[name] === true || (name === 'head' && methods.get === true)
}

function hasCache({ stack }: Route): boolean {
  return stack.some(({ handle }) => isRecognizable(handle))
}

function codeOf({ path, stack }: Route): string {
  return [path, ...stack.map(({ handle }) => originalOf(handle))].map(String).join('\n')
}
