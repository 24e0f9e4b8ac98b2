export { type PurgeAnswer, type Purged, PurgeEndpoint } from './purge-endpoint.js'
export type { PurgeOptions } from './purge-options.js'
