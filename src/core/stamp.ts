/**
 * A place in the shared log of invalidations: everything up to here had been applied by the process that wrote the
 * entry when its handler started. Positions of different incarnations of the log do not compare.
 */
export interface Stamp {
  readonly incarnation: string
  readonly position: number
}
