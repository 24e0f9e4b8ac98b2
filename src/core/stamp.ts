/**
 * A position in the shared log of invalidations: the process that wrote the entry had applied all records up to it when
 * the handler started. Positions of different incarnations of the log cannot be compared.
 */
export interface Stamp {
  readonly incarnation: string
  readonly position: number
}

/**
 * The highest position in a log: in microseconds, the year 2255. Higher ones were not issued by this library, and a
 * double may not hold them exactly.
 */
export const HIGHEST_POSITION = 9e15

/** The position in the log before it was opened. */
export const NOWHERE: Stamp = { incarnation: '-', position: 0 }
