import { CacheError } from '../errors.js'
import { shown } from '../option-checks.js'
import { HIGHEST_POSITION } from '../stamp.js'

/**
 * Version of the keys of the shared log. Library versions with the same number share a log; versions with different
 * numbers do not touch each other's log, see `docs/coherence.md`.
 */
export const PROTOCOL = 1

/** How each head of this version begins. */
export const HEAD_START = `${PROTOCOL} `

/** The end of the log, stored in Redis as one small key. */
export interface Head {
  /**
   * Random name of this life of the log; it changes if Redis came back empty, was flushed, or may have lost records.
   */
  readonly incarnation: string
  /**
   * Position of the last record: microseconds of the Redis clock, adjusted to increase even if that clock is set back.
   */
  readonly position: number
  /** Name of the last record, which distinguishes records that got the same position in two histories. */
  readonly nonce: string
  /** Entries stamped before this position are invalid, because the records needed to judge them were discarded. */
  readonly floor: number
  /** Position at which this life began. */
  readonly born: number
  /** The server run in which this life began, if the server reports it. */
  readonly run: string
  /** Fields of a later version, with the space before them. */
  readonly more: string
  /** The head as stored in Redis, for comparison. */
  readonly text: string
}

/** Scripts take the same texts for heads: otherwise a process could not use a log that they do not repair. */
const PATTERN = new RegExp(`^${PROTOCOL} ([!-~]+) (\\d+) ([!-~]+) (\\d+) (\\d+) ([!-~]+)((?: [ -~]*)?)$`)

/**
 * Parses a head; `undefined` for any other text, including the head of another protocol version, and one with a number
 * above {@link HIGHEST_POSITION}.
 */
export function readHead(text: string): Head | undefined {
  const [, incarnation, position, nonce = '', floor, born, run = '', more = ''] = PATTERN.exec(text) ?? []
  if (incarnation === undefined) return undefined
  const [, changes] = /^ c(\d+)/.exec(more) ?? []
  const head = {
    incarnation,
    position: Number(position),
    nonce,
    floor: Number(floor),
    born: Number(born),
    run,
    more,
    text,
  }
  return Math.max(head.position, head.floor, head.born, Number(changes ?? 0)) > HIGHEST_POSITION ? undefined : head
}

/** Parses a head. @throws CacheError for any other text */
export function parseHead(text: string): Head {
  const head = readHead(text)
  if (head === undefined) throw new CacheError('log-broken', `the head of the invalidation log is ${shown(text)}`)
  return head
}

/** The head at the time when a record was the last one. */
export function headAt(record: { readonly position: number; readonly nonce: string }, head: Head): Head {
  const { incarnation, floor, born, run, more } = head
  const { position, nonce } = record
  const text = `${PROTOCOL} ${incarnation} ${position} ${nonce} ${floor} ${born} ${run}${more}`
  return { incarnation, position, nonce, floor, born, run, more, text }
}
