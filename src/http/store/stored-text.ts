import type { Entry } from '../../core/entry.js'
import { type CacheControl, NO_DIRECTIVES } from '../syntax/cache-control.js'
import {
  isAmount,
  isFieldList,
  isFieldNames,
  isFinalStatus,
  isInputNames,
  isInputValues,
  isPartOfControl,
  isReasonPhrase,
} from '../syntax/well-formed.js'
import { type Encoding, encodingsText, readEncodings } from './encodings.js'
import { keepParsed, type Parsed } from './parsed-entries.js'
import { type StoredHead, StoredResponse } from './stored-response.js'

/** The entry under the primary key of responses that vary: says how to find the variants. */
export interface VariantMarker extends Parsed {
  readonly identity: string
  /** The fields that select among the variants. */
  readonly selecting: readonly string[]
  /** The end of use of each variant in epoch ms, by the end of its key; empty if variants are not counted. */
  readonly counted: ReadonlyMap<string, number>
}

/**
 * Serializes a head to the text stored with the body. Property names are short, because the text is part of every read.
 */
export function headText(head: StoredHead): string {
  return JSON.stringify({
    i: head.identity,
    s: head.status,
    r: head.reason,
    f: head.fields,
    o: head.ownEntityTag || undefined,
    p: head.appended.length === 0 ? undefined : head.appended,
    x: head.removed.length === 0 ? undefined : head.removed,
    c: distinctive(head.control),
    a: head.initialAge,
    d: head.cost || undefined,
    w: head.staleWhileRevalidate || undefined,
    e: head.staleIfError || undefined,
    v: head.selecting.length === 0 ? undefined : head.selecting,
    u: head.selecting.length === 0 ? undefined : head.values,
    n: head.nested || undefined,
    t: head.routePattern,
    z: encodingsText(head.encodings),
  })
}

/** Replaces the encodings in the text of {@link headText}. */
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
  const meta = parseObject(entry.meta)
  if (meta === undefined || typeof meta.i !== 'string') return undefined
  if (isInputNames(meta.m)) return { identity: meta.i, selecting: meta.m, counted: countedIn(meta.n) }
  const {
    s: status,
    r: reason,
    f: fields,
    p: appended = [],
    x: removed = [],
    c: control = {},
    v: selecting = [],
    u: values = [],
  } = meta
  const { a: initialAge = 0, d: cost = 0, w: staleWhileRevalidate = 0, e: staleIfError = 0, t: routePattern } = meta
  // Valid JSON that is invalid in HTTP was not written by this package.
  if (!isFinalStatus(status) || !(reason === undefined || isReasonPhrase(reason)) || !isFieldList(fields))
    return undefined
  if (!isFieldNames(appended) || !isFieldNames(removed) || !isPartOfControl(control) || !isInputNames(selecting))
    return undefined
  if (!isInputValues(values) || values.length !== selecting.length) return undefined
  if (!isAmount(initialAge) || !isAmount(cost) || !isAmount(staleWhileRevalidate) || !isAmount(staleIfError))
    return undefined
  const encodings = meta.z === undefined ? undefined : readEncodings(meta.z, entry.body.length)
  if (meta.z !== undefined && encodings === undefined) return undefined
  return new StoredResponse(entry, {
    identity: meta.i,
    status,
    reason,
    fields,
    ownEntityTag: meta.o === true,
    appended,
    removed,
    control: meta.c === undefined ? NO_DIRECTIVES : { ...NO_DIRECTIVES, ...control },
    initialAge,
    cost,
    staleWhileRevalidate,
    staleIfError,
    selecting,
    values,
    nested: meta.n === true,
    routePattern: typeof routePattern === 'string' ? routePattern : undefined,
    encodings,
  })
}

function countedIn(counts: unknown): ReadonlyMap<string, number> {
  if (typeof counts !== 'object' || counts === null) return NONE_COUNTED
  return new Map(Object.entries(counts).filter((entry): entry is [string, number] => isAmount(entry[1])))
}

const NONE_COUNTED: ReadonlyMap<string, number> = new Map()

function parseObject(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    // A text that starts with a brace and parses is an object.
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
}

/** The directives that are present; `undefined` if there are none. */
export function distinctive(control: CacheControl): Partial<CacheControl> | undefined {
  if (control === NO_DIRECTIVES) return undefined
  const there = Object.entries(control).filter(([name, value]) => {
    const none = NO_DIRECTIVES[name as keyof CacheControl]
    return Array.isArray(value) ? value.length > 0 : value !== none
  })
  return there.length === 0 ? undefined : Object.fromEntries(there)
}
