import type { CacheEngine } from '../../core/engine.js'
import { ShadowResponses } from '../shadow/shadow.js'
import { Invalidations } from '../store/invalidations.js'
import { PrimaryKeys } from '../store/primary-key.js'
import { RecentlyRefused } from '../store/recently-refused.js'
import { StoredResponses } from '../store/stored-responses.js'
import { UriKeys } from '../store/uri-keys.js'
import type { Policy } from './policy.js'
import { Reports } from './reports.js'
import { ShadowReports } from './shadow-reports.js'

/** The objects that the parts of one middleware's protocol share. */
export interface ProtocolParts<Context extends object> {
  readonly cache: CacheEngine
  readonly policy: Policy<Context>
  readonly keys: PrimaryKeys
  readonly responses: StoredResponses
  /** Invalidates the responses of this route. */
  readonly invalidations: Invalidations
  readonly recentlyRefused: RecentlyRefused
  readonly reports: Reports
}

/** Creates the shared parts according to the options of a middleware. */
export function protocolParts<Context extends object>(policy: Policy<Context>): ProtocolParts<Context> {
  const { engine: cache, group, noVarySearch } = policy
  const keys = new PrimaryKeys(policy)
  const { shadow } = policy
  const responses = shadow === undefined ? new StoredResponses(cache) : new ShadowResponses(shadow)
  const { variants, searchIndex } = responses
  const uriKeys = new UriKeys(shadow?.real ?? cache, keys, variants, noVarySearch ? searchIndex : undefined)
  return {
    cache,
    policy,
    keys,
    responses,
    invalidations: new Invalidations(policy.cache, group, uriKeys),
    recentlyRefused: new RecentlyRefused(cache.clock),
    reports: shadow === undefined ? new Reports(cache) : new ShadowReports(shadow),
  }
}
