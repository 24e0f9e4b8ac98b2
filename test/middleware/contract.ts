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
import { variantsContract } from './contract-variants.js'
import type { CacheFace, Host } from './hosts/host.js'

/**
 * What a user of any adapter sees, in every framework: the one suite that every adapter is held to, over real
 * sockets.
 */
export function adapterContract<M extends CacheFace>(name: string, host: Host<M>): void {
  describe(`fallbackCache in ${name}`, () => {
    answersContract(host)
    variantsContract(host)
    redisContract(host, host)
  })
}

/** The contract of a further framework, or an older one, on an adapter that is held to the whole of it elsewhere. */
export function frameworkContract<M extends CacheFace>(name: string, host: Host<M>): void {
  describe(`fallbackCache in ${name}`, () => {
    answersContract(host)
  })
}

/** What passes through the framework: requests as it hands them on, and answers as it sends them. */
function answersContract<M extends CacheFace>(host: Host<M>): void {
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
}
