/** Counters that only increase; exposed by `stats()` and the exporters. Counting allocates nothing. */
export interface Counters {
  /** Lookups answered from memory. */
  memoryHits: number
  /** Lookups answered from memory after Redis had confirmed that nothing changed; a part of `memoryHits`. */
  confirmedHits: number
  /** Lookups answered from Redis. */
  redisHits: number
  /** Lookups that found nothing usable. */
  misses: number
  /** Stale responses that were served. */
  stale: number
  /** Lookups answered from memory while Redis was unavailable. */
  servedWhileDisconnected: number
  /** Requests that waited for another request's handler instead of running their own. */
  collapsed: number
  /** Requests that bypassed the cache. */
  bypassed: number
  /** Entries stored. */
  stores: number
  /** Bytes of their bodies. */
  storedBytes: number
  /** Encoded forms of stored responses made by this process. */
  precompressed: number
  /** Total bytes of these encoded forms. */
  precompressedBytes: number
  /** Hits answered with an encoded form. */
  precompressedHits: number
  /** Results not stored because they were invalidated while they were made. */
  lateStores: number
  /** Entries evicted from memory to make room. */
  evictions: number
  /** Values too large to be sent to Redis. */
  tooLargeForRedis: number
  /** Entries in Redis that could not be read: foreign, truncated, or of a later version. */
  foreignEntries: number
  /** Invalidations issued by this process. */
  invalidations: number
  /** Keys invalidated because a request with an unsafe method succeeded (RFC 9111, section 4.4). */
  retired: number
  /** Commands that Redis did not answer within the timeout. */
  redisTimeouts: number
  /** Commands that failed because there was no connection. */
  redisFailures: number
  /** Commands that Redis answered with an error, except for errors that are part of normal operation. */
  redisErrorReplies: number
  /** The same by error code (`OOM`, `READONLY`, …), including errors during connecting; empty in normal operation. */
  readonly redisErrors: Record<string, number>
  /** Commands not sent: breaker open, no connection, or too many waiting. */
  redisSkipped: number
  /** Bytes of entries read from Redis. */
  redisBytesRead: number
  /** Bytes of entries sent to Redis. */
  redisBytesWritten: number
  /** Number of outages of Redis. */
  outages: number
  /** Times that the circuit breaker opened. */
  circuitOpened: number
  /** Entries written to Redis after an outage. */
  writtenBack: number
  /** Entries that a sweep removed from Redis. */
  swept: number
  /** Serializer or deserializer errors. */
  serializerErrors: number
  /** Responses not stored or not reused, by reason. */
  readonly refused: Record<string, number>
}

/** Returns counters at zero. */
export function newCounters(): Counters {
  return {
    memoryHits: 0,
    confirmedHits: 0,
    redisHits: 0,
    misses: 0,
    stale: 0,
    servedWhileDisconnected: 0,
    collapsed: 0,
    bypassed: 0,
    stores: 0,
    storedBytes: 0,
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
    redisBytesRead: 0,
    redisBytesWritten: 0,
    outages: 0,
    circuitOpened: 0,
    writtenBack: 0,
    swept: 0,
    serializerErrors: 0,
    refused: {},
  }
}
