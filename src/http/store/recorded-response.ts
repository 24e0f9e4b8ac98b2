import type { ResponseHead } from '../port/recording.js'
import type { RequestHead } from '../port/request-head.js'
import { emittedTags, type TagField } from '../rules/emitted-tags.js'
import { isGroupTag, responseTags } from '../rules/groups.js'
import type { Storable } from '../rules/storable.js'
import { storedFields } from '../rules/stored-fields.js'
import { selectingFields, selectingValues } from '../rules/vary.js'
import { makeEntityTag } from '../syntax/entity-tag.js'
import { type Fields, fieldValue } from '../syntax/fields.js'
import type { PrimaryKey } from './primary-key.js'
import { type RouteFields, toFieldList } from './route-fields.js'
import type { StoredHead } from './stored-head.js'

/** The data of a storable response that is known with its head: everything except the body. */
export interface RecordedHead {
  readonly stored: StoredHead
  /** The stored fields by lower-case name. */
  readonly fields: Fields
  readonly receivedAt: number
  readonly staleAt: number
  readonly deleteAt: number
  readonly tags: readonly string[]
  /** Maximum number of variants of the key; `undefined` for no limit. */
  readonly maxVariants: number | undefined
  /** The selecting inputs that are in neither Vary nor an option: the cache has seen the handler read them. */
  readonly observed: readonly string[]
  /** The primary key to store it under. */
  readonly key: PrimaryKey
}

/** The data from which a {@link RecordedHead} is made. */
export interface RecordedParts {
  readonly request: RequestHead
  readonly key: PrimaryKey
  readonly head: Pick<ResponseHead, 'status' | 'reason'>
  readonly route: RouteFields
  readonly storable: Storable
  readonly receivedAt: number
  /** How long the handler took until the head, in milliseconds. */
  readonly cost: number
  /** The body, if it is already known. */
  readonly body: Buffer | undefined
  readonly vary: readonly string[]
  readonly observed: readonly string[]
  readonly exactVary: boolean
  readonly maxVariants: number | undefined
  readonly tags: readonly string[]
  readonly nested: boolean
  /** The pattern of the route; `undefined` if it is not known. */
  readonly routePattern: string | undefined
}

/** Builds the stored head of a response. If the whole body is known, a missing entity tag is added. */
export function recordHead(parts: RecordedParts): RecordedHead {
  const { request, key, head, route, storable, receivedAt, body } = parts
  const kept = storedFields(route.fields, storable.by.control, receivedAt)
  const ownEntityTag = needsEntityTag(head.status, kept) && body !== undefined
  if (ownEntityTag) kept.etag = makeEntityTag(body)
  const fields: Fields = kept
  // `private="vary"` keeps the field out of the store, but not what it says about the choice (RFC 9111, section 4.1).
  const announcing = fields.vary === route.fields.vary ? fields : { ...fields, vary: route.fields.vary }
  const selecting = selectingFields(announcing, parts.vary, parts.exactVary, fieldValue(route.deciding, 'vary'))
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
      routePattern: parts.routePattern,
    },
    fields,
    receivedAt,
    staleAt: storable.staleAt,
    deleteAt: storable.deleteAt,
    tags: united(parts.tags, responseTags(route.fields, origin)),
    maxVariants: parts.maxVariants,
    observed: parts.observed,
    key,
  }
}

function united(tags: readonly string[], others: readonly string[]): readonly string[] {
  return tags.length === 0 && others.length === 0 ? tags : [...new Set([...tags, ...others])]
}

/** Adds selecting inputs that the handler read after the head was recorded. */
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

/**
 * Adds a field that tells caches on the way the tags of a response, beside the tags that the route has put there. Returns
 * the tags that it cannot hold, too.
 */
export function withTagField(
  recorded: RecordedHead,
  field: TagField,
): { readonly recorded: RecordedHead; readonly omitted: readonly string[] } {
  const name = field.toLowerCase()
  const own = (fieldValue(recorded.fields, name) ?? '').split(/[ ,]+/).filter((tag) => tag !== '')
  // Groups are tags of the core, too, with their origin; caches on the way read them in their own field.
  const tags = recorded.tags.filter((tag) => !isGroupTag(tag))
  const { value, omitted } = emittedTags(field, [...new Set([...own, ...tags])])
  if (value === '') return { recorded, omitted }
  const { stored } = recorded
  const others = stored.fields.filter((_, at) => String(stored.fields[at - (at % 2)]).toLowerCase() !== name)
  const fields = { ...recorded.fields, [name]: value }
  return { recorded: { ...recorded, fields, stored: { ...stored, fields: [...others, field, value] } }, omitted }
}

/** Adds an entity tag for the body, if the response has none and may have one. */
export function withEntityTag(recorded: RecordedHead, body: Buffer): StoredHead {
  const { stored, fields } = recorded
  if (!needsEntityTag(stored.status, fields)) return stored
  return { ...stored, fields: [...stored.fields, 'ETag', makeEntityTag(body)], ownEntityTag: true }
}

function needsEntityTag(status: number, fields: Fields): boolean {
  return status === 200 && fields.etag === undefined
}
