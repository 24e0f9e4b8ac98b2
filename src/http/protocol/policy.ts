import type { CacheEngine } from '../../core/engine.js'
import { engineOf, FallbackCache } from '../../core/fallback-cache.js'
import { given, record, rejectUnknownOptions } from '../../core/option-checks.js'
import { type OptionTable, readSettings } from '../../core/option-table.js'
import { CORE_OPTIONS, coreOptionNames, type FallbackCacheOptions } from '../../core/options.js'
import { isSecretField } from '../rules/credentials.js'
import type { TagField } from '../rules/emitted-tags.js'
import { isFilledInput } from '../rules/filled-inputs.js'
import type { InputsPolicy } from '../rules/inputs-policy.js'
import { APPLICATION_STORAGE, PROXY_STORAGE, type StoragePolicy } from '../rules/storage-policy.js'
import { MAX_SELECTING } from '../rules/vary.js'
import { type Shadow, shadowOf } from '../shadow/shadow.js'
import type { ContentCoding } from '../syntax/content-coding.js'
import type { AnyOptions } from './option-readers.js'
import type { FallbackCacheMiddlewareOptions, RefiningOptions } from './options.js'
import { OWN_OPTIONS, type OwnSettings, type OwnTable, ownOptionNames, type Preset } from './own-options.js'

/** The validated options of a middleware, with defaults applied. */
export interface Policy<Context extends object> {
  readonly cache: FallbackCache
  /** The internal interface of `cache`, used by the protocol. */
  readonly engine: CacheEngine
  /** What shadow mode needs; `undefined` in normal mode. */
  readonly shadow: Shadow | undefined
  /** The share of hits that are compared with their handlers; `undefined` unless the mode is `verify`. */
  readonly verifyShare: number | undefined
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
  /** The field that tells caches on the way the tags of a response; `undefined` for none. */
  readonly emitTags: TagField | undefined
  /** The content codings that this Node.js supports; `undefined` if the option is not given. */
  readonly precompress: readonly ContentCoding[] | undefined
  /** Which inputs of a run are considered; `undefined` if runs are not observed. */
  readonly inputs: InputsPolicy | undefined
  /** Milliseconds. */
  readonly collapseTimeout: number
}

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
  const { group, query, noVarySearch, cacheStatus, emitTags, precompress, collapseTimeout } = settings
  return {
    group,
    query,
    noVarySearch,
    cacheStatus,
    emitTags,
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
    verifyShare: verifyShareOf(options, settings),
    // Last, because a core created before an invalid option is found would keep its connection open.
    ...inMode(settings.mode, readCache(options)),
  }
}

/** @throws TypeError for `verifyShare` in another mode */
function verifyShareOf({ verifyShare }: AnyOptions, settings: OwnSettings): number | undefined {
  if (settings.mode === 'verify') return settings.verifyShare
  if (verifyShare === undefined) return undefined
  throw new TypeError("verifyShare must be given with mode: 'verify', which compares that share of the hits")
}

/** In shadow mode, fingerprints are stored in place of responses, and nothing is added to an answer. */
function inMode(mode: OwnSettings['mode'], own: ReturnType<typeof readCache>) {
  if (mode !== 'shadow') return { ...own, shadow: undefined }
  const shadow = shadowOf(own.engine)
  const silent = { cacheStatus: false, emitTags: undefined, precompress: undefined } as const
  return { ...own, engine: shadow.engine, shadow, ...silent }
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
  const { mode, verifyShare } = options
  return { ...own, ...refinement, cache, mode, verifyShare }
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
  return [policy.engine, policy.group, query, policy.noVarySearch, policy.key, policy.user]
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
    keyedFields: vary.filter(isSecretField),
    ...credentialsBy(inputs, cookies, base),
  }
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
