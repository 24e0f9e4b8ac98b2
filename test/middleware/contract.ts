import { describe } from 'vitest'
import { cacheIfContract } from './contract-cache-if.js'
import { clientContract } from './contract-client.js'
import { completenessContract } from './contract-completeness.js'
import { conditionalContract } from './contract-conditional.js'
import { faultsContract } from './contract-faults.js'
import { flightContract } from './contract-flight.js'
import { identityContract } from './contract-identity.js'
import { invalidationContract } from './contract-invalidation.js'
import { postContract } from './contract-post.js'
import { precompressContract } from './contract-precompress.js'
import { queryContract } from './contract-query.js'
import { redisContract } from './contract-redis.js'
import { refusalsContract } from './contract-refusals.js'
import { replayContract } from './contract-replay.js'
import { searchesContract } from './contract-searches.js'
import { staleContract } from './contract-stale.js'
import { streamsContract } from './contract-streams.js'
import { tagsContract } from './contract-tags.js'
import type { CacheFace, Host } from './hosts/host.js'

/**
 * What a user of any adapter sees, whatever the framework: the one suite that every adapter is held to, over real
 * sockets.
 */
export function adapterContract<M extends CacheFace>(name: string, host: Host<M>): void {
  describe(`fallbackCache in ${name}`, () => {
    replayContract(host)
    conditionalContract(host)
    refusalsContract(host)
    identityContract(host)
    invalidationContract(host)
    postContract(host)
    queryContract(host)
    searchesContract(host)
    flightContract(host)
    staleContract(host)
    streamsContract(host)
    completenessContract(host)
    clientContract(host)
    faultsContract(host)
    cacheIfContract(host)
    tagsContract(host)
    precompressContract(host)
    redisContract(host, host)
  })
}
