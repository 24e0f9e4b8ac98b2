import { callable, rejectUnknownOptions, shown } from '../../core/option-checks.js'

/** How an application is served with its cache in front of it. */
export interface FrontDoorOptions {
  /**
   * What is mounted before the cache and need not run for a hit, by the names of its functions (or the functions themselves);
   * `'all'`: whatever it is. A hit in front of the application passes it by: what it checks is not checked, what it logs is not
   * logged, and fields that it sets are missing. Never name what decides who may see a page. As long as something else stands before
   * the cache, all requests go through the application as without a front door. What names nothing that stands before the
   * mounted cache is an error.
   *
   * @defaultValue nothing
   */
  readonly skipOnHit?: 'all' | readonly (string | ((...args: never[]) => unknown))[] | undefined
}

/** Said when the middleware is not where it would see every request. */
export const NOT_MOUNTED =
  'the cache is not mounted with app.use(cached) at the top of the application, for all paths, so every request goes through it'

/** Says what stands before the cache. */
export function describeObstacle(names: readonly string[]): string {
  const all = names.map((name) => name || '<anonymous>').join(', ')
  return (
    `${all} stand${names.length === 1 ? 's' : ''} before the cache and would be passed by, so every request goes through the application. ` +
    'Mount the cache first, or name what a hit may do without: cached.serve(app, { skipOnHit: [...] })'
  )
}

/** Whether a hit may do without a function. */
export function allows(skipOnHit: FrontDoorOptions['skipOnHit'], run: unknown, name: string): boolean {
  if (skipOnHit === undefined) return false
  if (skipOnHit === 'all') return true
  return skipOnHit.some((one) => one === run || (one === name && name !== ''))
}

/** A function that stands before the cache. */
export interface StandsBefore {
  readonly run: unknown
  readonly name: string
}

/**
 * Checks that everything named stands before the cache: a name that is not quite right would do nothing.
 *
 * @throws RangeError for what does not
 */
export function checkNamed(skipOnHit: FrontDoorOptions['skipOnHit'], before: readonly StandsBefore[]): void {
  if (skipOnHit === undefined || skipOnHit === 'all') return
  const unknown = skipOnHit.find((one) => !before.some(({ run, name }) => allows([one], run, name)))
  if (unknown === undefined) return
  const named = typeof unknown === 'string' ? `"${unknown}"` : `the function ${unknown.name || '<anonymous>'}`
  const there = before.map(({ name }) => name || '<anonymous>').join(', ') || 'nothing'
  throw new RangeError(`skipOnHit must name what stands before the cache, got ${named}; there stands: ${there}`)
}

/**
 * Checks the options of a front door.
 *
 * @param of - who takes them: `serve` can make a server, `listener` cannot
 * @throws TypeError for what cannot be meant
 */
export function checkFrontDoorOptions(
  options: FrontDoorOptions & { readonly createServer?: unknown },
  of: 'serve' | 'listener',
): void {
  rejectUnknownOptions(options, of === 'serve' ? ['skipOnHit', 'createServer'] : ['skipOnHit'], `${of}()`)
  const { skipOnHit, createServer } = options
  callable(createServer, 'createServer')
  if (skipOnHit === undefined || skipOnHit === 'all') return
  const isList =
    Array.isArray(skipOnHit) &&
    Array.from(skipOnHit).every((one: unknown) => typeof one === 'function' || typeof one === 'string')
  if (!isList)
    throw new TypeError(
      `skipOnHit must be "all" or a list of functions and names of functions, got ${shown(skipOnHit)}`,
    )
}
