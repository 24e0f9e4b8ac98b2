/** Plain numbers that only go up; read by `stats()`, by exporters and by whoever looks. Nothing is allocated to count. */
export interface Counters {
  /** Answers from memory. */
  memoryHits: number
  /** Answers from Redis. */
  redisHits: number
  /** Lookups that found nothing usable. */
  misses: number
  /** Answers that were stale when they were given. */
  stale: number
  /** Answers from memory while Redis could not be asked. */
  servedWhileDisconnected: number
  /** Requests that waited for another's handler instead of running their own. */
  collapsed: number
  /** Requests the cache had no part in. */
  bypassed: number
  /** Entries stored. */
  stores: number
  /** Encoded forms of stored responses made here. */
  precompressed: number
  /** Their bytes. */
  precompressedBytes: number
  /** Hits that were answered with an encoded form. */
  precompressedHits: number
  /** Results not kept because something invalidated them while they were made. */
  lateStores: number
  /** Entries that memory gave up for want of room. */
  evictions: number
  /** Values too large to be sent to Redis. */
  tooLargeForRedis: number
  /** Entries in Redis that could not be read: foreign, truncated, or of a later version. */
  foreignEntries: number
  /** Invalidations issued here. */
  invalidations: number
  /** Keys taken out of use because a request with an unsafe method succeeded (RFC 9111, section 4.4). */
  retired: number
  /** Commands that Redis did not answer in time. */
  redisTimeouts: number
  /** Commands that failed for want of a connection. */
  redisFailures: number
  /** Commands that Redis answered with an error, but for those that are part of how the cache works. */
  redisErrorReplies: number
  /** The same by error code (`OOM`, `READONLY`, …), with those met while connecting; empty in health. */
  readonly redisErrors: Record<string, number>
  /** Commands not sent: breaker open, no connection, or too many waiting. */
  redisSkipped: number
  /** Times that Redis was lost. */
  outages: number
  /** Entries written back after an outage. */
  writtenBack: number
  /** Entries that a sweep removed from Redis. */
  swept: number
  /** Serializer or deserializer errors. */
  serializerErrors: number
  /** Responses not stored or not reused, by reason. */
  readonly refused: Record<string, number>
}

/** Counters at zero. */
export function newCounters(): Counters {
  return {
    memoryHits: 0,
    redisHits: 0,
    misses: 0,
    stale: 0,
    servedWhileDisconnected: 0,
    collapsed: 0,
    bypassed: 0,
    stores: 0,
    precompressed: 0,
    precompressedBytes: 0,
    precompressedHits: 0,
    lateStores: 0,
    evictions: 0,
    tooLargeForRedis: 0,
    foreignEntries: 0,
    invalidations: 0,
    retired: 0,
    redisTimeouts: 0,
    redisFailures: 0,
    redisErrorReplies: 0,
    redisErrors: {},
    redisSkipped: 0,
    outages: 0,
    writtenBack: 0,
    swept: 0,
    serializerErrors: 0,
    refused: {},
  }
}
