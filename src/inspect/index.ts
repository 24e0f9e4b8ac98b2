export type {
  EntryKind,
  EntryState,
  EntrySummary,
  InspectedEntry,
  InspectedResponse,
  InspectedVariants,
} from './inspected-entry.js'
export { type EntryPage, Inspector, inspectorOf, type PageQuery } from './inspector.js'
export { NEEDED_COMMANDS } from './needed-commands.js'
export { type OpenedCluster, OpenedRedis, openCluster, type RedisTarget, type Standing } from './opened-redis.js'
