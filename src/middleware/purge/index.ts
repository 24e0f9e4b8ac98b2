/** What this folder offers to the frameworks: an endpoint that carries out invalidations which signed messages ask for. */

export { PurgeDoor } from './door.js'
export type { PurgeAnswer, Purged } from './purge-endpoint.js'
export type { PurgeOptions } from './purge-options.js'
