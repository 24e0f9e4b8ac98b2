import { derivedKey } from '../core/derived-key.js'
import type { Entry } from '../core/entry.js'
import { StoredResponse } from '../http/store/stored-response.js'
import { describedBy, parseStored, type VariantMarker } from '../http/store/stored-text.js'
import type { EntryKind, InspectedEntry, InspectedResponse, InspectedVariants } from './inspected-entry.js'

/** What the description of an entry says by itself. */
export interface MetaSummary {
  readonly kind: EntryKind
  readonly status: number | undefined
  readonly route: string | undefined
}

/** What is known of an entry's content. */
export type EntryContent = Pick<InspectedEntry, 'kind' | 'status' | 'route' | 'response' | 'variants' | 'cost' | 'body'>

const NOTHING = { status: undefined, route: undefined }

/** Reads the description of an entry without its body. @param meta - `undefined` if it is too long to be read */
export function summaryOf(meta: string | undefined): MetaSummary {
  if (meta === undefined) return { kind: 'response', ...NOTHING }
  if (/^b?\d*$/.test(meta)) return { kind: 'value', ...NOTHING }
  const said = describedBy(meta)
  if (said === undefined || typeof said.i !== 'string') return { kind: 'unreadable', ...NOTHING }
  if (Array.isArray(said.m)) return { kind: 'variants', ...NOTHING }
  if (typeof said.q === 'string') return { kind: 'search-rule', ...NOTHING }
  if (!Number.isInteger(said.s)) return { kind: 'unreadable', ...NOTHING }
  return { kind: 'response', status: Number(said.s), route: typeof said.t === 'string' ? said.t : undefined }
}

/** Reads a whole entry. @param withBody - whether the body is part of the result */
export function contentOf(key: string, entry: Entry, withBody: boolean): EntryContent {
  const summary = summaryOf(entry.meta)
  const none = { response: undefined, variants: undefined, cost: undefined, body: undefined }
  if (summary.kind === 'value') {
    const cost = Number(entry.meta.replace('b', '')) || undefined
    return { ...none, ...summary, cost, body: withBody ? entry.body : undefined }
  }
  if (summary.kind === 'search-rule' || summary.kind === 'unreadable') return { ...none, ...summary }
  const stored = parseStored(entry)
  if (stored === undefined) return { ...none, ...NOTHING, kind: 'unreadable' }
  if (!(stored instanceof StoredResponse)) return { ...none, ...summary, variants: variantsOf(key, stored) }
  const { status, routePattern: route, cost, body } = stored
  return {
    kind: 'response',
    status,
    route,
    response: responseOf(stored),
    variants: undefined,
    cost: cost || undefined,
    body: withBody ? body : undefined,
  }
}

/** The first line of an identity: method, origin, path, query. Values that options add follow in further lines. */
const IDENTITY = /^([A-Z]+) (https?:\/\/[^/?#]*)(\/[^?]*)?(\?.*)?$/

function responseOf(stored: StoredResponse): InspectedResponse {
  const [line = '', ...more] = stored.identity.split('\n')
  const [, method = '', origin = '', path = '', query = ''] = IDENTITY.exec(line) ?? []
  const fields: [string, string][] = []
  for (let at = 0; at < stored.list.length; at += 2) {
    for (const value of [stored.list[at + 1] ?? ''].flat()) fields.push([String(stored.list[at]), value])
  }
  return {
    method,
    origin,
    path,
    query,
    isRefined: more.some((added) => added.startsWith('[')),
    fields,
    selectedBy: stored.selecting,
    bodyBytes: stored.body.length,
    encodings: (stored.encodings ?? []).map(({ coding, length }) => ({ coding, bytes: length })),
    initialAge: Math.round(stored.initialAge / 1000),
    staleWhileRevalidate: stored.staleWhileRevalidate,
    staleIfError: stored.staleIfError,
  }
}

function variantsOf(key: string, { selecting, counted }: VariantMarker): InspectedVariants {
  const keys = Array.from(counted, ([end, deleteAt]) => ({ key: derivedKey(key, end), deleteAt }))
  return { selectedBy: selecting, keys }
}
