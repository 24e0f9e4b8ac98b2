/** Gauges of work in progress, updated by the layer above the core. */
export interface Gauges {
  /** Requests that wait for the handler of another request. */
  waiting: number
  /** Stale responses that are being revalidated in the background. */
  refreshing: number
}

/** Returns gauges at zero. */
export function newGauges(): Gauges {
  return { waiting: 0, refreshing: 0 }
}
