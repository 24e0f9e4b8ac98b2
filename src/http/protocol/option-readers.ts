import { INTERFACE_VERSION, versionOf } from '../../core/brand.js'
import { type Duration, parseDuration } from '../../core/duration.js'
import { FallbackCache } from '../../core/fallback-cache.js'
import { noteLongLifetime } from '../../core/long-lifetime.js'
import { namesIn, oneOf, record, rejectUnknownOptions, shown, text } from '../../core/option-checks.js'
import { flagOf } from '../../core/options.js'
import { tagText } from '../port/route-tags.js'
import { TAG_FIELDS, type TagField } from '../rules/emitted-tags.js'
import { ENDLESS_TYPES } from '../rules/endless-types.js'
import { ABOUT_ONE_CLIENT, ANSWERS_CONDITIONS } from '../rules/storable.js'
import { MAX_SELECTING } from '../rules/vary.js'
import { CONTENT_CODINGS, type ContentCoding, isSupported } from '../syntax/content-coding.js'
import { isToken } from '../syntax/fields.js'
import type { Awaitable, EndlessTypesOptions, FallbackCacheMiddlewareOptions } from './options.js'

/** All options of a middleware, for any context: readers only check functions, and never call them. */
export type AnyOptions = FallbackCacheMiddlewareOptions<never>

/** Reads `endlessTypes`: the media types whose bodies may never end. @throws TypeError, RangeError */
export function readEndlessTypes(given: unknown): ReadonlySet<string> {
  rejectUnknownOptions(record(given, 'endlessTypes'), { count: {}, ignore: {} }, 'endlessTypes')
  const { count, ignore } = given as EndlessTypesOptions
  const types = new Set([...ENDLESS_TYPES, ...mediaTypes(count, 'endlessTypes.count')])
  for (const type of mediaTypes(ignore, 'endlessTypes.ignore')) types.delete(type)
  return types
}

function mediaTypes(list: unknown, option: string): readonly string[] {
  return namesIn(list, option, MOST_NAMES).map((type) => {
    if (/^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(type)) return type.toLowerCase()
    throw new TypeError(`${option} must be a list of media types such as "application/x-ndjson", got ${shown(type)}`)
  })
}

/** Checks for a FallbackCache, of this copy of the package or of another one with the same interface. @throws TypeError */
export function readCore(cache: unknown): FallbackCache | undefined {
  if (cache === undefined) return undefined
  // Also an instance of another copy of this package, because its ESM and CommonJS builds may be loaded in one process.
  if (cache instanceof FallbackCache) return cache
  const version = typeof cache === 'object' && cache !== null ? versionOf(cache) : undefined
  if (version === undefined) throw new TypeError(`cache must be a FallbackCache, got ${shown(cache)}`)
  throw new TypeError(
    `cache is of another version of fallback-cache (interface ${shown(version)} instead of ${INTERFACE_VERSION}): install one version, "npm ls fallback-cache" names them`,
  )
}

/** Reads `emitTags`; the name of the field in any letter case. @throws TypeError */
export function readTagField(field: unknown, name: string): TagField | undefined {
  if (field === undefined) return undefined
  const lower = typeof field === 'string' ? field.toLowerCase() : undefined
  return oneOf(TAG_FIELDS.find((known) => known.toLowerCase() === lower) ?? field, TAG_FIELDS, name)
}

/** Reads `maxVariants`; `false` is read as `undefined`, no limit. @throws RangeError */
export function readMaxVariants(maxVariants: unknown): number | undefined {
  if (maxVariants === false) return undefined
  if (!Number.isInteger(maxVariants) || Number(maxVariants) < 1 || Number(maxVariants) > 1000) {
    throw new RangeError(`maxVariants must be false or an integer from 1 to 1000, got ${shown(maxVariants)}`)
  }
  return Number(maxVariants)
}

/** Reads `ttl` in seconds; without it, only the response states a lifetime. @throws TypeError, RangeError */
export function readTtl(value: Duration | undefined, name: string, options: AnyOptions): number | undefined {
  return value === undefined ? undefined : readLifetime(value, name, options)
}

/** Reads a lifetime in seconds, and warns about one that looks like milliseconds. @throws TypeError, RangeError */
export function readLifetime(value: unknown, name: string, { logger }: AnyOptions): number {
  const seconds = parseDuration(value, name)
  noteLongLifetime(value, name, logger)
  return seconds
}

/** Reads `statusTtl`: the lifetime in seconds by status, `false` for one that is not stored. @throws TypeError, RangeError */
export function readStatusTtl(statusTtl: unknown, _: string, options: AnyOptions): ReadonlyMap<number, number | false> {
  const lifetimes = new Map<number, number | false>()
  for (const [status, ttl] of Object.entries(record(statusTtl, 'statusTtl'))) {
    if (!/^[2-5]\d\d$/.test(status))
      throw new RangeError(`statusTtl must name statuses from 200 to 599, got ${shown(status)}`)
    const code = Number(status)
    const isOfConditions = ANSWERS_CONDITIONS.has(code)
    if ((isOfConditions || ABOUT_ONE_CLIENT.has(code)) && ttl !== false) {
      const why = isOfConditions ? 'answers the conditions of one request' : 'is about one client'
      throw new RangeError(`statusTtl must not name ${status}: it ${why}, and is never stored`)
    }
    lifetimes.set(code, ttl === false ? false : readLifetime(ttl, `statusTtl[${status}]`, options))
  }
  return lifetimes
}

/** Reads `group` as the prefix of all keys. @throws TypeError, RangeError */
export function readGroup(group: unknown): string {
  if (group === '') return ''
  if (typeof group !== 'string' || !/^[\w.-]+$/.test(group)) {
    throw new TypeError(`group must be made of letters, digits, ".", "_" and "-", got ${shown(group)}`)
  }
  return `${text(group, 'group', LONGEST_GROUP)}:`
}

/** In characters. Every key begins with the group. */
const LONGEST_GROUP = 200

/** Maximum number of names in a list option, such as parameters or tags. */
const MOST_NAMES = 1000

/** Reads `tags`: a list, or a function that is not called here. @throws TypeError, RangeError */
export function readRouteTags(tags: unknown): readonly string[] | ((context: never) => Awaitable<readonly string[]>) {
  if (typeof tags === 'function') return tags as (context: never) => Awaitable<readonly string[]>
  return namesIn(tags, 'tags', MOST_NAMES).map(tagText)
}

/** Reads `query`: which parameters are part of the key. @throws TypeError, RangeError */
export function readQuery(query: unknown): 'all' | 'sorted' | readonly string[] {
  if (query === 'all' || query === 'sorted') return query
  if (Array.isArray(query)) return namesIn(query, 'query', MOST_NAMES)
  throw new TypeError(`query must be "all", "sorted" or a list of parameter names, got ${shown(query)}`)
}

/**
 * Reads `methods`. `stored`: those whose responses are stored, without HEAD, which has no content to store.
 *
 * @throws TypeError
 */
export function readMethods(methods: unknown): { readonly stored: ReadonlySet<string>; readonly answersHead: boolean } {
  if (!Array.isArray(methods) || !methods.includes('GET') || methods.some((one) => !METHODS.has(one))) {
    throw new TypeError(
      `methods must be a list of "GET" and any of "HEAD", "POST" and "QUERY", got ${shownMethods(methods)}`,
    )
  }
  return { stored: new Set(methods.filter((method) => method !== 'HEAD')), answersHead: methods.includes('HEAD') }
}

function shownMethods(methods: unknown): string {
  if (!Array.isArray(methods)) return shown(methods)
  const upper = methods.map((one) => (typeof one === 'string' ? one.toUpperCase() : one))
  const hint = methods.some((one, at) => one !== upper[at]) ? '; write methods in capitals' : ''
  return shownList(methods) + hint
}

function shownList(list: readonly unknown[]): string {
  const names = Array.from(list.slice(0, 5), shown).join(', ')
  return `[${names}${list.length > 5 ? ', …' : ''}]`
}

const METHODS: ReadonlySet<unknown> = new Set(['GET', 'HEAD', 'POST', 'QUERY'])

/** Reads `cacheStatus`. @throws TypeError */
export function readCacheStatus(value: unknown, name: string): boolean | 'debug' {
  return value === 'debug' ? 'debug' : flagOf(value, name)
}

/** Reads `precompress`, without the codings that this Node.js does not support. @throws TypeError */
export function readPrecompress(codings: unknown): readonly ContentCoding[] | undefined {
  if (codings === undefined) return undefined
  const known: readonly unknown[] = CONTENT_CODINGS
  if (
    !Array.isArray(codings) ||
    Array.from(codings).some((one: unknown) => !known.includes(one)) ||
    new Set(codings).size < codings.length
  ) {
    throw new TypeError(
      `precompress must be a list of "br", "gzip" and "zstd", each once, got ${Array.isArray(codings) ? shownList(codings) : shown(codings)}`,
    )
  }
  return codings.filter(isSupported)
}

/** Reads a list of field names in lower case. @throws TypeError, RangeError */
export function fieldNames(list: unknown, option: string): readonly string[] {
  const fields = namesIn(list, option, MAX_SELECTING)
  for (const name of fields) {
    if (!isToken(name) || name === '*')
      throw new TypeError(`${option} must be a list of field names, got ${shown(name)}`)
  }
  return fields.map((name) => name.toLowerCase())
}
