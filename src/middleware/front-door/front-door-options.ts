import { callable, rejectUnknownOptions, shown } from '../../core/option-checks.js'

/** Options of the front door, which serves hits before the application is entered. */
export interface FrontDoorOptions {
  /**
   * Middleware mounted before the cache that need not run for a hit, by function name or as the functions themselves;
   * `'all'` for all of it. A hit bypasses the listed middleware: its checks do not run, its logs are not written and
   * its header fields are missing. Never list middleware that decides who may see a page. As long as other middleware
   * is mounted before the cache, all requests go through the application as without a front door. An entry that matches
   * no middleware before the mounted cache is an error.
   *
   * @defaultValue nothing
   */
  readonly skipOnHit?: 'all' | readonly (string | ((...args: never[]) => unknown))[] | undefined
}

/** The warning if the middleware is not mounted where it sees every request. */
export const NOT_MOUNTED =
  'the cache is not mounted with app.use(cached) at the top of the application, for all paths, so every request goes through it'

/** Formats the names of the middleware before the cache as a warning. */
export function describeObstacle(names: readonly string[]): string {
  const all = names.map((name) => name || '<anonymous>').join(', ')
  return (
    `${all} stand${names.length === 1 ? 's' : ''} before the cache and would be passed by, so every request goes through the application. ` +
    'Mount the cache first, or name what a hit may do without: cached.serve(app, { skipOnHit: [...] })'
  )
}

/** Whether `skipOnHit` lists a function. */
export function allows(skipOnHit: FrontDoorOptions['skipOnHit'], run: unknown, name: string): boolean {
  if (skipOnHit === undefined) return false
  if (skipOnHit === 'all') return true
  return skipOnHit.some((one) => one === run || (one === name && name !== ''))
}

/** A middleware function mounted before the cache. */
export interface MiddlewareBefore {
  readonly run: unknown
  readonly name: string
}

/**
 * Checks that every entry of `skipOnHit` matches middleware before the cache, because a misspelled entry would have no
 * effect.
 *
 * @throws RangeError for an entry without a match
 */
export function checkNamed(skipOnHit: FrontDoorOptions['skipOnHit'], before: readonly MiddlewareBefore[]): void {
  if (skipOnHit === undefined || skipOnHit === 'all') return
  const unknown = skipOnHit.find((one) => !before.some(({ run, name }) => allows([one], run, name)))
  if (unknown === undefined) return
  const named = typeof unknown === 'string' ? `"${unknown}"` : `the function ${unknown.name || '<anonymous>'}`
  const there = before.map(({ name }) => name || '<anonymous>').join(', ') || 'nothing'
  throw new RangeError(
    `skipOnHit must name middleware that is mounted before the cache, got ${named}; mounted there: ${there}`,
  )
}

/**
 * Validates the options of a front door.
 *
 * @param of - the method that takes the options: `serve` can create a server, `listener` cannot
 * @throws TypeError for unknown options and values of the wrong type
 */
export function checkFrontDoorOptions(
  options: FrontDoorOptions & { readonly createServer?: unknown },
  of: 'serve' | 'listener',
): void {
  rejectUnknownOptions(options, of === 'serve' ? { skipOnHit: {}, createServer: {} } : { skipOnHit: {} }, `${of}()`)
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
