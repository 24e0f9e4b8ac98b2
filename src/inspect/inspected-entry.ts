/** What an entry holds. `variants`: not a response, but the list of the inputs by which responses are selected. */
export type EntryKind = 'response' | 'value' | 'variants' | 'search-rule' | 'tombstone' | 'unreadable'

/**
 * Whether an entry may be used:
 * - `fresh`, `stale` (past its freshness lifetime), `softened` (invalidated softly, used while it is made again);
 * - `invalidated`, `expired`: it is never used again, and not removed yet;
 * - `other-life`: stored before Redis lost its data or was restarted;
 * - `none`: a tombstone, or bytes that are no entry of this key.
 */
export type EntryState = 'fresh' | 'stale' | 'softened' | 'invalidated' | 'expired' | 'other-life' | 'none'

/** An entry in a list. */
export interface EntrySummary {
  readonly key: string
  readonly tier: 'memory' | 'redis'
  readonly kind: EntryKind
  readonly state: EntryState
  /** Size of tags, description and body; in Redis, with the line that begins the frame. */
  readonly bytes: number
  /** When it was stored, until when it is fresh, and until when it may be used stale, in epoch ms; 0 for a tombstone. */
  readonly storedAt: number
  readonly staleAt: number
  readonly deleteAt: number
  readonly tags: readonly string[]
  /** The status of a response. */
  readonly status: number | undefined
  /** The pattern of the route that made a response, if it is known. */
  readonly route: string | undefined
}

/** An entry with everything that may be shown: never a value of an input, and the body only if it was asked for. */
export interface InspectedEntry extends EntrySummary {
  /** Of a response. */
  readonly response: InspectedResponse | undefined
  /** Of an entry that lists variants. */
  readonly variants: InspectedVariants | undefined
  /** How long a value took to compute, or a response to be made, in ms; `undefined` if it is not known. */
  readonly cost: number | undefined
  /** The body as the handler sent it, or the serialized value; `undefined` if it was not asked for. */
  readonly body: Buffer | undefined
}

/** The head of a stored response. */
export interface InspectedResponse {
  readonly method: string
  readonly origin: string
  readonly path: string
  /** The part of the query that distinguishes it, with its question mark; `''` for none. */
  readonly query: string
  /** Whether the options `key` or `user` add a value, which is not shown. */
  readonly isRefined: boolean
  /** The fields as they are sent, each as name and value. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** The names of the inputs that select it: header fields, `cookie:theme`, `req:tenant`, … */
  readonly selectedBy: readonly string[]
  /** Bytes of the body as the handler sent it. */
  readonly bodyBytes: number
  /** The encoded forms: the coding, and its bytes; 0 if it was not made yet. */
  readonly encodings: readonly { readonly coding: string; readonly bytes: number }[]
  /** Age at the time it was stored, in seconds. */
  readonly initialAge: number
  /** In seconds. */
  readonly staleWhileRevalidate: number
  /** In seconds. */
  readonly staleIfError: number
}

/** The variants of a key. */
export interface InspectedVariants {
  /** The names of the inputs that select among them. */
  readonly selectedBy: readonly string[]
  /** The keys of those that are counted, and until when each may be used, in epoch ms. */
  readonly keys: readonly { readonly key: string; readonly deleteAt: number }[]
}
