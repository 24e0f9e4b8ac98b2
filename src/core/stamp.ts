/**
 * A position in the shared log of invalidations: the process that wrote the entry had applied all records up to it when
 * the handler started. Positions of different incarnations of the log cannot be compared.
 */
export interface Stamp {
  readonly incarnation: string
  readonly position: number
}

/** The position in the log before it was opened. */
export const nowhere: Stamp = { incarnation: '-', position: 0 }
