import type { RequestHead, ResponseHead } from '../port/exchange.js'
import { responseTags } from '../rules/groups.js'
import type { Storable } from '../rules/storable.js'
import { storedFields } from '../rules/stored-fields.js'
import { selectingFields, selectingValues } from '../rules/vary.js'
import { makeEntityTag } from '../syntax/entity-tag.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import type { SearchRule } from '../syntax/no-vary-search.js'
import type { PrimaryKey } from './primary-key.js'
import { type RouteFields, toFieldList } from './route-fields.js'
import type { StoredHead } from './stored-response.js'

/** A response that may be stored, as far as it is known once its head is: everything but the body. */
export interface RecordedHead {
  readonly stored: StoredHead
  /** The stored fields by lower-case name. */
  readonly fields: Fields
  readonly receivedAt: number
  readonly staleAt: number
  readonly deleteAt: number
  readonly tags: readonly string[]
  /** So many variants may lie side by side with it; `undefined`: any number. */
  readonly maxVariants: number | undefined
  /** The selecting inputs that no Vary and no option names: the cache has seen the handler read them. */
  readonly observed: readonly string[]
  /** Where it is to lie. */
  readonly key: PrimaryKey
  /** What it says of the queries that it is for; `undefined`: it is for its own. */
  readonly rule: SearchRule | undefined
}

/** What a {@link RecordedHead} is made of. */
export interface RecordedParts {
  readonly request: RequestHead
  readonly key: PrimaryKey
  readonly rule: SearchRule | undefined
  readonly head: Pick<ResponseHead, 'status' | 'reason'>
  readonly route: RouteFields
  readonly storable: Storable
  readonly receivedAt: number
  /** How long the handler took until then, milliseconds. */
  readonly cost: number
  /** The body, if it is known already. */
  readonly body: Buffer | undefined
  readonly vary: readonly string[]
  readonly observed: readonly string[]
  readonly exactVary: boolean
  readonly maxVariants: number | undefined
  readonly tags: readonly string[]
  readonly nested: boolean
}

/** Puts together what is stored of a response besides its body. A whole body gets an entity tag when it has none. */
export function recordHead(parts: RecordedParts): RecordedHead {
  const { request, key, head, route, storable, receivedAt, body } = parts
  const kept = storedFields(route.fields, storable.by.control, receivedAt)
  const ownEntityTag = needsEntityTag(head.status, kept) && body !== undefined
  const fields = ownEntityTag ? { ...kept, etag: makeEntityTag(body) } : kept
  const selecting = selectingFields(fields, parts.vary, parts.exactVary, fieldValue(route.deciding, 'vary'))
  if (selecting === '*') throw new Error('a response with Vary: * was judged storable')
  const origin = `${request.protocol}://${request.host.toLowerCase()}`
  return {
    stored: {
      identity: key.identity,
      status: head.status,
      reason: head.reason,
      fields: toFieldList(fields, route.names),
      ownEntityTag,
      appended: route.appended,
      removed: route.removed,
      control: storable.by.control,
      initialAge: storable.initialAge,
      cost: parts.cost,
      staleWhileRevalidate: storable.staleWhileRevalidate,
      staleIfError: storable.staleIfError,
      selecting,
      values: selectingValues(selecting, request.headers, request),
      nested: parts.nested,
    },
    fields,
    receivedAt,
    staleAt: storable.staleAt,
    deleteAt: storable.deleteAt,
    tags: united(parts.tags, responseTags(route.fields, origin)),
    maxVariants: parts.maxVariants,
    observed: parts.observed,
    key,
    rule: parts.rule,
  }
}

function united(tags: readonly string[], others: readonly string[]): readonly string[] {
  return tags.length === 0 && others.length === 0 ? tags : [...new Set([...tags, ...others])]
}

/** The head of a response that was made from further inputs than were known when its head was recorded. */
export function withSelecting(recorded: RecordedHead, request: RequestHead, more: readonly string[]): RecordedHead {
  const { stored } = recorded
  const selecting = [...new Set([...stored.selecting, ...more])].sort()
  if (selecting.length === stored.selecting.length) return recorded
  return {
    ...recorded,
    observed: more,
    stored: { ...stored, selecting, values: selectingValues(selecting, request.headers, request) },
  }
}

/** The head with an entity tag for its body, if it has none and could use one. */
export function withEntityTag(recorded: RecordedHead, body: Buffer): StoredHead {
  const { stored, fields } = recorded
  if (!needsEntityTag(stored.status, fields)) return stored
  return { ...stored, fields: [...stored.fields, 'ETag', makeEntityTag(body)], ownEntityTag: true }
}

function needsEntityTag(status: number, fields: Fields): boolean {
  return status === 200 && fields.etag === undefined
}
