import { timerDuration } from '../../core/duration.js'
import { callable, numberWithin, oneOf, positiveInteger } from '../../core/option-checks.js'
import { TAGS_NAMES, TTL_NAMES } from '../../core/option-hints.js'
import type { OptionTable, Settings } from '../../core/option-table.js'
import { type FallbackCacheOptions, flagOf } from '../../core/options.js'
import { inputNames, readInputs } from '../rules/inputs-policy.js'
import { APPLICATION_STORAGE, PROXY_STORAGE, type StoragePolicy } from '../rules/storage-policy.js'
import { MAX_SELECTING } from '../rules/vary.js'
import {
  type AnyOptions,
  fieldNames,
  readCacheStatus,
  readCore,
  readEndlessTypes,
  readGroup,
  readLifetime,
  readMaxVariants,
  readMethods,
  readPrecompress,
  readQuery,
  readRouteTags,
  readStatusTtl,
  readTagField,
  readTtl,
} from './option-readers.js'
import type { FallbackCacheMiddlewareOptions, RefiningOptions } from './options.js'

type OwnName = Exclude<keyof AnyOptions, keyof FallbackCacheOptions>

/** An option that `with()` must not set, because it selects the core, has the scope `'core'`. */
type Scope<Name> = Name extends keyof RefiningOptions ? { readonly scope?: never } : { readonly scope: 'core' }

export type OwnTable = { readonly [Name in OwnName]: OptionTable<AnyOptions>[Name] & Scope<Name> }

const PRESETS = ['application', 'proxy'] as const
export type Preset = (typeof PRESETS)[number]
const MODES = ['normal', 'shadow', 'verify'] as const
const COOKIES = ['named', 'observed'] as const

/**
 * The options of the middlewares, without those of the core, and how each is read: an option is one entry here and one
 * property of {@link FallbackCacheMiddlewareOptions}. Rules for combinations of options are in {@link readPolicy}.
 */
export const OWN_OPTIONS = {
  cache: { scope: 'core', read: readCore },
  mode: { scope: 'core', default: 'normal', read: (value, name) => oneOf(value, MODES, name) },
  verifyShare: { scope: 'core', default: 0.01, read: (value, name) => numberWithin(value, 0, 1, name) },
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
  tags: { default: [], read: readRouteTags, otherNames: TAGS_NAMES },
  emitTags: { read: readTagField },
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

export type OwnSettings = Settings<typeof OWN_OPTIONS>

/** Names of the middlewares' options, without those of the core. */
export const ownOptionNames = Object.keys(OWN_OPTIONS) as readonly OwnName[]

/** The defaults by preset of an option that is a property of the storage policy. */
function ofPresets<Name extends keyof StoragePolicy>(name: Name): Record<Preset, StoragePolicy[Name]> {
  return { application: APPLICATION_STORAGE[name], proxy: PROXY_STORAGE[name] }
}
