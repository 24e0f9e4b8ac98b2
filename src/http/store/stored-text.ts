import type { Entry } from '../../core/entry.js'
import { isAmount, isFieldList, isInputNames, isInputValues } from '../syntax/well-formed.js'
import { type Encoding, encodingsText, readEncodings } from './encodings.js'
import { areStorable, hasLengthOf } from './field-names.js'
import { keepParsed, type Parsed } from './parsed-entries.js'
import type { StoredHead } from './stored-head.js'
import { firstLineOf, headLines, parseObject, readLines } from './stored-lines.js'
import { StoredResponse } from './stored-response.js'
import { readShape, shapeMembers } from './stored-shape.js'

/** The entry under the primary key of responses that vary: says how to find the variants. */
export interface VariantMarker extends Parsed {
  readonly identity: string
  /** The fields that select among the variants. */
  readonly selecting: readonly string[]
  /** The end of use of each variant in epoch ms, by the end of its key; empty if variants are not counted. */
  readonly counted: ReadonlyMap<string, number>
}

/** Serializes a head to the text stored with the body: as lines, or as JSON where lines cannot hold it. */
export function headText(head: StoredHead): string {
  return headLines(head) ?? headObject(head)
}

/** Serializes any head as JSON. */
export function headObject(head: StoredHead): string {
  return JSON.stringify({
    i: head.identity,
    f: head.fields,
    a: head.initialAge,
    d: head.cost || undefined,
    u: head.selecting.length === 0 ? undefined : head.values,
    z: encodingsText(head.encodings),
    ...shapeMembers(head),
  })
}

/** Replaces the encodings in the text of {@link headObject}. */
export function withEncodings(text: string, encodings: readonly Encoding[]): string {
  return JSON.stringify({ ...parseObject(text), z: encodingsText(encodings) })
}

/** Serializes a {@link VariantMarker}. */
export function markerText(marker: VariantMarker): string {
  const counted = marker.counted.size === 0 ? undefined : Object.fromEntries(marker.counted)
  return JSON.stringify({ i: marker.identity, m: marker.selecting, n: counted })
}

/** Parses an entry; `undefined` if it is foreign or invalid. The result is kept for recently used entries. */
export function readStored(entry: Entry): StoredResponse | VariantMarker | undefined {
  const { memo } = entry
  if (memo instanceof StoredResponse) {
    memo.isUsed = true
    return memo
  }
  if (isMarker(memo)) return memo
  const read = parseStored(entry)
  if (read !== undefined) keepParsed(entry, read)
  return read
}

function isMarker(memo: unknown): memo is VariantMarker {
  return typeof memo === 'object' && memo !== null && 'selecting' in memo
}

/** Parses an entry, and keeps nothing of it; `undefined` if it is foreign or invalid. */
export function parseStored(entry: Entry): StoredResponse | VariantMarker | undefined {
  const { meta: text } = entry
  // JSON is one line.
  if (text.includes('\n')) return readLines(entry, text)
  const meta = parseObject(text)
  if (meta === undefined || typeof meta.i !== 'string') return undefined
  if (isInputNames(meta.m)) return { identity: meta.i, selecting: meta.m, counted: countedIn(meta.n) }
  const shape = readShape(meta)
  const { f: fields, u: values = [], a: initialAge = 0, d: cost = 0 } = meta
  if (shape === undefined || !isFieldList(fields) || !isAmount(initialAge) || !isAmount(cost)) return undefined
  if (!isInputValues(values) || values.length !== shape.selecting.length) return undefined
  const encodings = meta.z === undefined ? undefined : readEncodings(meta.z, entry.body.length)
  if (meta.z !== undefined && encodings === undefined) return undefined
  const head = { ...shape, identity: meta.i, fields, initialAge, cost, values, encodings }
  const stored = new StoredResponse(entry, head)
  const { body, list, names } = stored
  return areStorable(names) && hasLengthOf(body.length, list, names) ? stored : undefined
}

/** The description of an entry as an object, of which a response has `s`, the status, and `t`, the route. */
export function describedBy(text: string): Readonly<Record<string, unknown>> | undefined {
  const line = firstLineOf(text)
  if (line === undefined) return parseObject(text)
  const meta = parseObject(line)
  return meta && { ...meta, i: '' }
}

function countedIn(counts: unknown): ReadonlyMap<string, number> {
  if (typeof counts !== 'object' || counts === null) return NONE_COUNTED
  return new Map(Object.entries(counts).filter((entry): entry is [string, number] => isAmount(entry[1])))
}

const NONE_COUNTED: ReadonlyMap<string, number> = new Map()
