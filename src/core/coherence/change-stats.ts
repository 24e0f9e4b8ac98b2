/** Usage of the table of keys that have changed in Redis. */
export interface ChangeStats {
  readonly records: number
  readonly maxRecords: number
  /** How many times this process did not know what had changed, and so read each key from Redis once more. */
  readonly gaps: number
}

/** Maximum number of keys; each takes about 40 bytes. */
export const MAX_RECORDS = 16_384

/** The usage if changes are not followed. Every entry point loads this, and the rest with Redis only. */
export const NO_CHANGES: ChangeStats = { records: 0, maxRecords: MAX_RECORDS, gaps: 0 }
