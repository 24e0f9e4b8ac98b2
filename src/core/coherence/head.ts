import { CacheError } from '../errors.js'
import { shown } from '../option-checks.js'

/**
 * Version of the keys in which the shared log is kept. Two versions of the library with the same number share a log; with
 * different numbers they leave each other's log alone, see `docs/coherence.md`.
 */
export const protocol = 1

/** Where the log ends, as one small key in Redis says it. */
export interface Head {
  /** Random name of this life of the log; another one when Redis came back empty, was flushed, or may have lost records. */
  readonly incarnation: string
  /** Position of the last record: microseconds of the Redis clock, made to grow even if that clock is set back. */
  readonly position: number
  /** Name of the last record, which tells two records apart that got the same position in two histories. */
  readonly nonce: string
  /** Entries stamped before this position are invalid: the records that would judge them were given up. */
  readonly floor: number
  /** Position at which this life began. */
  readonly born: number
  /** The run of the server in which this life began, as far as the server tells it. */
  readonly run: string
  /** Fields of a later version, with the space before them. */
  readonly more: string
  /** The head as it is in Redis, for comparing. */
  readonly text: string
}

const pattern = new RegExp(`^${protocol} (\\S+) (\\d+) (\\S+) (\\d+) (\\d+) (\\S+)( .*)?$`)

/** Reads a head; `undefined` for anything else, the head of another protocol included. */
export function readHead(text: string): Head | undefined {
  const [, incarnation, position, nonce = '', floor, born, run = '', more = ''] = pattern.exec(text) ?? []
  if (incarnation === undefined) return undefined
  return { incarnation, position: Number(position), nonce, floor: Number(floor), born: Number(born), run, more, text }
}

/** Reads a head. @throws CacheError for anything else */
export function parseHead(text: string): Head {
  const head = readHead(text)
  if (head === undefined) throw new CacheError('log-broken', `the head of the invalidation log is ${shown(text)}`)
  return head
}

/** The head as it was when its last record was this one. */
export function headAt(record: { readonly position: number; readonly nonce: string }, head: Head): Head {
  const { incarnation, floor, born, run, more } = head
  const { position, nonce } = record
  const text = `${protocol} ${incarnation} ${position} ${nonce} ${floor} ${born} ${run}${more}`
  return { incarnation, position, nonce, floor, born, run, more, text }
}
