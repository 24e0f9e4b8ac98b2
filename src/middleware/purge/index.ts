export { PurgeDoor } from './door.js'
export type { PurgeAnswer, Purged } from './purge-endpoint.js'
export type { PurgeOptions } from './purge-options.js'
