import { INTERFACE_VERSION, versionOf } from '../../core/brand.js'
import { type Duration, parseDuration, timerDuration } from '../../core/duration.js'
import type { CacheEngine } from '../../core/engine.js'
import { engineOf, FallbackCache } from '../../core/fallback-cache.js'
import { noteLongLifetime } from '../../core/long-lifetime.js'
import {
  callable,
  given,
  namesIn,
  oneOf,
  positiveInteger,
  record,
  rejectUnknownOptions,
  shown,
  text,
} from '../../core/option-checks.js'
import { TAGS_NAMES, TTL_NAMES } from '../../core/option-hints.js'
import { type OptionTable, readSettings, type Settings } from '../../core/option-table.js'
import { CORE_OPTIONS, coreOptionNames, type FallbackCacheOptions, flagOf } from '../../core/options.js'
import { tagText } from '../port/route-tags.js'
import { isCredentialField } from '../rules/credentials.js'
import { ENDLESS_TYPES } from '../rules/endless-types.js'
import { isFilledInput } from '../rules/filled-inputs.js'
import { type InputsPolicy, inputNames, readInputs } from '../rules/inputs-policy.js'
import { APPLICATION_STORAGE, PROXY_STORAGE, type StoragePolicy } from '../rules/storage-policy.js'
import { MAX_SELECTING } from '../rules/vary.js'
import { CONTENT_CODINGS, type ContentCoding, isSupported } from '../syntax/content-coding.js'
import { isToken } from '../syntax/fields.js'
import type { Awaitable, EndlessTypesOptions, FallbackCacheMiddlewareOptions, RefiningOptions } from './options.js'

/** The validated options of a middleware, with defaults applied. */
export interface Policy<Context extends object> {
  readonly cache: FallbackCache
  /** The internal interface of `cache`, used by the protocol. */
  readonly engine: CacheEngine
  /** Whether `cache` was created for this middleware, which then closes it. */
  readonly ownsCache: boolean
  readonly storage: StoragePolicy
  /** The storage policy for requests whose key names the user: credentials do not prevent storing or reuse. */
  readonly personalStorage: StoragePolicy
  /** The prefix of all keys: `''` or `group:`. */
  readonly group: string
  readonly query: 'all' | 'sorted' | readonly string[]
  /** Whether the response field No-Vary-Search is supported. */
  readonly noVarySearch: boolean
  readonly key: FallbackCacheMiddlewareOptions<Context>['key']
  readonly user: FallbackCacheMiddlewareOptions<Context>['user']
  readonly skip: FallbackCacheMiddlewareOptions<Context>['skip']
  readonly allowRefresh: FallbackCacheMiddlewareOptions<Context>['allowRefresh']
  readonly tags: FallbackCacheMiddlewareOptions<Context>['tags']
  readonly cacheIf: FallbackCacheMiddlewareOptions<Context>['cacheIf']
  /** In lower case. */
  readonly vary: readonly string[]
  /** Whether `Vary` is applied exactly, even for fields that did not affect the response. */
  readonly exactVary: boolean
  /** Maximum number of variants per primary key; `undefined` for no limit. */
  readonly maxVariants: number | undefined
  /** Whether fields that describe a single run of the handler are removed before storing (`Server-Timing`, …). */
  readonly dropPerRun: boolean
  /** Whether stored responses to GET answer HEAD. */
  readonly answersHead: boolean
  readonly obeysClient: boolean
  readonly cacheStatus: boolean | 'debug'
  /** The content codings that this Node.js supports; `undefined` if the option is not given. */
  readonly precompress: readonly ContentCoding[] | undefined
  /** Which inputs of a run are considered; `undefined` if runs are not observed. */
  readonly inputs: InputsPolicy | undefined
  /** Milliseconds. */
  readonly collapseTimeout: number
}

/** All options of a middleware, for any context: readers only check functions, and never call them. */
type AnyOptions = FallbackCacheMiddlewareOptions<never>
type OwnName = Exclude<keyof AnyOptions, keyof FallbackCacheOptions>

/** An option that `with()` must not set, because it selects the core, has the scope `'core'`. */
type Scope<Name> = Name extends keyof RefiningOptions ? { readonly scope?: never } : { readonly scope: 'core' }

type OwnTable = { readonly [Name in OwnName]: OptionTable<AnyOptions>[Name] & Scope<Name> }

const PRESETS = ['application', 'proxy'] as const
type Preset = (typeof PRESETS)[number]
const COOKIES = ['named', 'observed'] as const

/**
 * The options of the middlewares, without those of the core, and how each is read: an option is one entry here and one
 * property of {@link FallbackCacheMiddlewareOptions}. Rules for combinations of options are in {@link readPolicy}.
 */
export const OWN_OPTIONS = {
  cache: { scope: 'core', read: readCore },
  ttl: { read: readTtl, otherNames: TTL_NAMES },
  statusTtl: { default: {}, read: readStatusTtl, otherNames: 'status statuses statusCode statusCodes' },
  group: { default: '', read: readGroup },
  key: { read: callable, otherNames: 'keyGenerator generateKey getKey cacheKey appendKey' },
  user: { read: callable, otherNames: 'userId perUser' },
  query: { default: 'all', read: readQuery, otherNames: 'params queryParams searchParams' },
  noVarySearch: { default: false, read: flagOf },
  preset: { default: 'application', read: (value, name) => oneOf(value, PRESETS, name) },
  heuristic: { presets: ofPresets('heuristic'), read: flagOf },
  targets: { presets: ofPresets('targets'), read: fieldNames },
  storeSetCookie: { presets: ofPresets('storeSetCookie'), read: flagOf },
  storePartial: { presets: ofPresets('storePartial'), read: flagOf },
  obeyClient: { presets: ofPresets('allowRequestDirectives'), read: flagOf },
  staleWhileRevalidate: { default: 0, read: readLifetime, otherNames: 'swr grace stale' },
  staleIfError: { presets: ofPresets('staleIfError'), read: readLifetime, otherNames: 'sie keep' },
  vary: { default: [], read: (value, name) => inputNames(value, name, MAX_SELECTING), otherNames: 'headers varyBy' },
  maxVariants: { default: 64, read: readMaxVariants },
  tags: { default: [], read: readTags, otherNames: TAGS_NAMES },
  cacheIf: { read: callable },
  skip: { read: callable, otherNames: 'exclude ignore unless bypass filter shouldCache when if toggle' },
  allowRefresh: { read: callable },
  methods: {
    presets: { application: ['GET', 'HEAD'], proxy: ['GET', 'HEAD', 'POST'] },
    read: readMethods,
  },
  maxBodySize: { default: APPLICATION_STORAGE.maxBodySize, read: positiveInteger },
  precompress: { read: readPrecompress, otherNames: 'compress compression encodings' },
  cacheStatus: { default: true, read: readCacheStatus, otherNames: 'debug xCache cacheHeader' },
  collapseTimeout: { default: 10, read: (value, name) => timerDuration(value, name) * 1000 },
  inputs: { presets: { application: {}, proxy: false }, read: readInputs },
  cookies: { default: 'named', read: (value, name) => oneOf(value, COOKIES, name) },
  endlessTypes: { default: {}, read: readEndlessTypes },
} as const satisfies OwnTable

type OwnSettings = Settings<typeof OWN_OPTIONS>

/** Names of the middlewares' options, without those of the core. */
export const ownOptionNames = Object.keys(OWN_OPTIONS) as readonly OwnName[]

/** The names that {@link RefiningOptions} has. */
const refiningNames = ownOptionNames.filter((name) => !('scope' in OWN_OPTIONS[name]))

const CORE: OptionTable<FallbackCacheOptions> = CORE_OPTIONS
const OWN: OwnTable = OWN_OPTIONS
const KNOWN_OPTIONS = { ...OWN, ...CORE }

/**
 * Validates the options of a middleware once, at construction, and creates a core if none is given.
 *
 * @throws TypeError for a value of the wrong type or an unknown option, RangeError for a value out of range
 */
export function readPolicy<Context extends object>(options: FallbackCacheMiddlewareOptions<Context>): Policy<Context> {
  rejectUnknownOptions(options, KNOWN_OPTIONS, 'fallbackCache')
  const settings = readSettings<AnyOptions, typeof OWN_OPTIONS>(options, OWN_OPTIONS, { preset: presetOf(options) })
  const { preset, methods, obeyClient, inputs, maxVariants } = settings
  const vary = varyOf(settings)
  const storage = storageOf(settings, vary)
  const { group, query, noVarySearch, cacheStatus, precompress, collapseTimeout } = settings
  return {
    group,
    query,
    noVarySearch,
    cacheStatus,
    precompress,
    collapseTimeout,
    ...functionsOf<Context>(settings),
    storage,
    personalStorage: { ...storage, keyedFields: ['authorization', 'cookie'], isCredentialField: undefined },
    vary,
    inputs,
    exactVary: preset === 'proxy',
    // Unlimited by default if credentials select variants, because there are as many variants as users.
    maxVariants: options.maxVariants === undefined && storage.keyedFields.length > 0 ? undefined : maxVariants,
    dropPerRun: preset === 'application',
    answersHead: methods.answersHead,
    obeysClient: obeyClient,
    // Last, because a core created before an invalid option is found would keep its connection open.
    ...readCache(options),
  }
}

/**
 * The options of a middleware that shares the core of another one and overrides some options by `refinement`.
 *
 * @throws TypeError if the refinement is not an object, or selects or configures the core
 */
export function refined<Context extends object>(
  options: FallbackCacheMiddlewareOptions<Context>,
  refinement: RefiningOptions<Context>,
  cache: FallbackCache,
): FallbackCacheMiddlewareOptions<Context> {
  record(refinement, 'options of with()')
  rejectCoreOptions(refinement)
  const own = Object.fromEntries(refiningNames.map((name) => [name, options[name]]))
  return { ...own, ...refinement, cache }
}

/** @throws TypeError for an option of {@link FallbackCache}, or one of the middlewares with the scope `'core'` */
function rejectCoreOptions(refinement: object): void {
  const refused = [...ownOptionNames.filter((name) => 'scope' in OWN_OPTIONS[name]), ...coreOptionNames].find(
    (name) => Reflect.get(refinement, name) !== undefined,
  )
  if (refused === undefined) return
  throw new TypeError(
    `${refused} must not be passed to with(): the middleware that with() returns shares the FallbackCache of this one. ` +
      `For another one, call fallbackCache({ ${refused} })`,
  )
}

/** The storage scope of a middleware: middlewares with equal parts find each other's stored responses. */
export function storageScopeOf<Context extends object>(policy: Policy<Context>): readonly unknown[] {
  const query = Array.isArray(policy.query) ? policy.query.join('&') : policy.query
  return [policy.cache, policy.group, query, policy.noVarySearch, policy.key, policy.user]
}

/** The defaults by preset of an option that is a property of the storage policy. */
function ofPresets<Name extends keyof StoragePolicy>(name: Name): Record<Preset, StoragePolicy[Name]> {
  return { application: APPLICATION_STORAGE[name], proxy: PROXY_STORAGE[name] }
}

function presetOf({ preset }: AnyOptions): Preset {
  const option = OWN_OPTIONS.preset
  return option.read(given(preset, option.default), 'preset')
}

/** Readers return functions unchanged, so they still take the context that they were declared with. */
function functionsOf<Context extends object>(settings: OwnSettings) {
  const { key, user, skip, allowRefresh, tags, cacheIf } = settings as Pick<
    Policy<Context>,
    'key' | 'user' | 'skip' | 'allowRefresh' | 'tags' | 'cacheIf'
  >
  return { key, user, skip, allowRefresh, tags, cacheIf }
}

/**
 * The selecting inputs of `vary` and `inputs` together.
 *
 * @throws TypeError if `vary` or `cookies` requires recorded inputs and `inputs` is false, RangeError for too many names
 */
function varyOf({ vary: named, inputs, cookies }: OwnSettings): readonly string[] {
  const vary = [...new Set([...named, ...(inputs?.vary ?? [])])]
  if (vary.length > MAX_SELECTING) {
    throw new RangeError(`vary and inputs.vary must have at most ${MAX_SELECTING} names together, got ${vary.length}`)
  }
  if (cookies === 'observed' && inputs === undefined) {
    throw new TypeError('cookies: "observed" needs the inputs of handlers to be observed: remove inputs: false')
  }
  const filled = vary.find(isFilledInput)
  if (filled !== undefined && inputs === undefined) {
    throw new TypeError(`vary: ["${filled}"] needs the inputs of handlers to be observed: use the option key instead`)
  }
  return vary
}

function storageOf(settings: OwnSettings, vary: readonly string[]): StoragePolicy {
  const { ttl, statusTtl, staleWhileRevalidate, staleIfError, heuristic, storeSetCookie, storePartial } = settings
  const { preset, inputs, cookies, targets, maxBodySize, endlessTypes } = settings
  const base = preset === 'proxy' ? PROXY_STORAGE : APPLICATION_STORAGE
  return {
    ...base,
    ttl,
    statusTtl,
    staleWhileRevalidate,
    staleIfError,
    heuristic,
    storeSetCookie,
    storePartial,
    targets,
    maxBodySize,
    endlessTypes,
    methods: settings.methods.stored,
    allowRequestDirectives: settings.obeyClient,
    keyedFields: vary.filter(isCredential),
    ...credentialsBy(inputs, cookies, base),
  }
}

function readEndlessTypes(given: unknown): ReadonlySet<string> {
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

/** The rules for credentials, with the names that the route's options add or ignore. */
function credentialsBy(
  inputs: InputsPolicy | undefined,
  cookies: 'named' | 'observed',
  base: StoragePolicy,
): Pick<StoragePolicy, 'isCredentialField' | 'isSessionCookie' | 'namesFields'> {
  const { isCredentialField: isField, isSessionCookie: isCookie } = base
  const isSession = cookies === 'observed' ? undefined : isCookie
  if (inputs === undefined || inputs.ignored.size + inputs.counted.size === 0) {
    return { isCredentialField: isField, isSessionCookie: isSession, namesFields: false }
  }
  const { ignored, counted } = inputs
  const says = (name: string) => (counted.has(name) ? true : ignored.has(name) ? false : undefined)
  return {
    isCredentialField: (name) => says(name) ?? isField?.(name) === true,
    isSessionCookie: (name, value) =>
      says(`cookie:${name}`) ?? says(`cookie:${name.replace(/\.sig$/, '')}`) ?? isSession?.(name, value) === true,
    namesFields: [...counted].some((name) => !name.includes(':')),
  }
}

function readCache<Context extends object>(options: FallbackCacheMiddlewareOptions<Context>) {
  const core = coreOptionNames.filter((name) => options[name] !== undefined)
  if (options.cache === undefined) {
    const own = coreOptionNames.filter((name) => name in options).map((name) => [name, options[name]])
    const cache = new FallbackCache({
      ...Object.fromEntries(own),
      maxEntries: given(options.maxEntries, CORE_OPTIONS.maxEntries.presets.middleware),
    })
    return { cache, engine: engineOf(cache), ownsCache: true }
  }
  if (core.length > 0) {
    throw new TypeError(`${core.join(', ')} cannot be combined with cache: set them on its FallbackCache`)
  }
  const { cache } = options
  return { cache, engine: engineOf(cache), ownsCache: false }
}

function readCore(cache: unknown): FallbackCache | undefined {
  if (cache === undefined) return undefined
  // Also an instance of another copy of this package, because its ESM and CommonJS builds may be loaded in one process.
  if (cache instanceof FallbackCache) return cache
  const version = typeof cache === 'object' && cache !== null ? versionOf(cache) : undefined
  if (version === undefined) throw new TypeError(`cache must be a FallbackCache, got ${shown(cache)}`)
  throw new TypeError(
    `cache is of another version of fallback-cache (interface ${shown(version)} instead of ${INTERFACE_VERSION}): install one version, "npm ls fallback-cache" names them`,
  )
}

function readMaxVariants(maxVariants: unknown): number | undefined {
  if (maxVariants === false) return undefined
  if (!Number.isInteger(maxVariants) || Number(maxVariants) < 1 || Number(maxVariants) > 1000) {
    throw new RangeError(`maxVariants must be false or an integer from 1 to 1000, got ${shown(maxVariants)}`)
  }
  return Number(maxVariants)
}

function isCredential(name: string): boolean {
  return name === 'authorization' || name === 'cookie' || isCredentialField(name)
}

function readTtl(value: Duration | undefined, name: string, options: AnyOptions): number | undefined {
  return value === undefined ? undefined : readLifetime(value, name, options)
}

function readLifetime(value: unknown, name: string, { logger }: AnyOptions): number {
  const seconds = parseDuration(value, name)
  noteLongLifetime(value, name, logger)
  return seconds
}

function readStatusTtl(statusTtl: unknown, _: string, options: AnyOptions): ReadonlyMap<number, number | false> {
  const lifetimes = new Map<number, number | false>()
  for (const [status, ttl] of Object.entries(record(statusTtl, 'statusTtl'))) {
    if (!/^[2-5]\d\d$/.test(status))
      throw new RangeError(`statusTtl must name statuses from 200 to 599, got ${shown(status)}`)
    if (NEVER_STORED.has(status) && ttl !== false) {
      throw new RangeError(
        `statusTtl must not name ${status}: it answers the conditions of one request, and is never stored`,
      )
    }
    lifetimes.set(Number(status), ttl === false ? false : readLifetime(ttl, `statusTtl[${status}]`, options))
  }
  return lifetimes
}

const NEVER_STORED: ReadonlySet<string> = new Set(['304', '412', '416'])

function readGroup(group: unknown): string {
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

function readTags(tags: unknown): readonly string[] | ((context: never) => Awaitable<readonly string[]>) {
  if (typeof tags === 'function') return tags as (context: never) => Awaitable<readonly string[]>
  return namesIn(tags, 'tags', MOST_NAMES).map(tagText)
}

function readQuery(query: unknown): 'all' | 'sorted' | readonly string[] {
  if (query === 'all' || query === 'sorted') return query
  if (Array.isArray(query)) return namesIn(query, 'query', MOST_NAMES)
  throw new TypeError(`query must be "all", "sorted" or a list of parameter names, got ${shown(query)}`)
}

/** `stored`: the methods whose responses are stored, without HEAD, which has no content to store. */
function readMethods(methods: unknown): { readonly stored: ReadonlySet<string>; readonly answersHead: boolean } {
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

function readCacheStatus(value: unknown, name: string): boolean | 'debug' {
  return value === 'debug' ? 'debug' : flagOf(value, name)
}

function readPrecompress(codings: unknown): readonly ContentCoding[] | undefined {
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

function fieldNames(list: unknown, option: string): readonly string[] {
  const fields = namesIn(list, option, MAX_SELECTING)
  for (const name of fields) {
    if (!isToken(name) || name === '*')
      throw new TypeError(`${option} must be a list of field names, got ${shown(name)}`)
  }
  return fields.map((name) => name.toLowerCase())
}
