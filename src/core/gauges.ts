/** Plain numbers that go up and down with what is under way. The layer above the core keeps them. */
export interface Gauges {
  /** Requests that wait for the handler of another request. */
  waiting: number
  /** Stale responses that are being made again in the background. */
  refreshing: number
}

/** Gauges at zero. */
export function newGauges(): Gauges {
  return { waiting: 0, refreshing: 0 }
}
