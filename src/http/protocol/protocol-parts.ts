import type { CacheEngine } from '../../core/engine.js'
import { Invalidations } from '../store/invalidations.js'
import { PrimaryKeys } from '../store/primary-key.js'
import { RecentlyRefused } from '../store/recently-refused.js'
import { StoredResponses } from '../store/stored-responses.js'
import { UriKeys } from '../store/uri-keys.js'
import type { Policy } from './policy.js'
import { Reports } from './reports.js'

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
  const responses = new StoredResponses(cache)
  const { variants, searchIndex } = responses
  const uriKeys = new UriKeys(cache, keys, variants, noVarySearch ? searchIndex : undefined)
  return {
    cache,
    policy,
    keys,
    responses,
    invalidations: new Invalidations(policy.cache, group, uriKeys),
    recentlyRefused: new RecentlyRefused(cache.clock),
    reports: new Reports(cache),
  }
}
