/** The properties of a request from which its route is known: those of Express, or what another adapter sets alike. */
interface Routed {
  readonly baseUrl?: unknown
  readonly route?: unknown
}

/** Maximum number of mount paths of one route that are named. */
const MOST_MOUNTS = 8

/** The mount paths at which each route was reached, because routers do not tell the pattern of theirs. */
const mountsOf = new WeakMap<object, Set<string>>()

/**
 * The pattern of the route that a request has reached: `/products/:id`; `undefined` if it has reached none.
 *
 * Express does not tell the pattern of a mount path. A route that is reached under many has parameters there, whose
 * values must not be told apart: the mount path is `*` then.
 */
export function expressRoute({ baseUrl, route }: Routed): string | undefined {
  if (typeof route !== 'object' || route === null) return undefined
  const path = textOf((route as { readonly path?: unknown }).path)
  if (path === undefined || typeof baseUrl !== 'string' || baseUrl === '') return path
  const mounts = mountsOf.get(route) ?? new Set()
  if (mounts.size < MOST_MOUNTS) mountsOf.set(route, mounts.add(baseUrl))
  const mount = mounts.has(baseUrl) ? baseUrl : '*'
  return path === '/' ? mount : mount + path
}

function textOf(path: unknown): string | undefined {
  if (typeof path === 'string') return path
  if (path instanceof RegExp) return String(path)
  return Array.isArray(path) ? path.map(textOf).join(', ') : undefined
}
