import type { ResponseHead } from '../port/recording.js'
import {
  emptyFields,
  type FieldList,
  type Fields,
  type FieldValue,
  fieldLines,
  fieldValue,
  listMembers,
} from '../syntax/fields.js'
import { lowerCase } from '../syntax/lower-case.js'

/**
 * Header fields that the route added or changed, separated from those that outer middleware had set for this client.
 */
export interface RouteFields {
  /** Fields that the route added or changed: all that may be stored. Names in lower case. */
  readonly fields: Fields
  /** The names of {@link fields} as the route wrote them. */
  readonly names: ReadonlyMap<string, string>
  /**
   * Fields for which the route added values to those of outer middleware, and cookies: a hit adds them to the current
   * values.
   */
  readonly appended: readonly string[]
  /** Fields of outer middleware that the route removed. */
  readonly removed: readonly string[]
  /** {@link fields} with complete values, plus fields of outer middleware that affect the caching decision. */
  readonly deciding: Fields
}

/**
 * Determines which fields of a response the route added, changed or removed.
 *
 * Cookies, CORS fields, request ids, rate limit counters and nonces of outer middleware apply to one client and are set
 * again for the next one, so they are not stored.
 *
 * @param control - names, in lower case, of fields that affect the decision even if outer middleware set them
 * @param dropped - names, in lower case, of fields that describe a single handler run
 */
export function routeFields(head: ResponseHead, control: readonly string[], dropped: ReadonlySet<string>): RouteFields {
  const list = head.fields()
  const fields = emptyFields()
  const names = new Map<string, string>()
  const appended: string[] = []
  for (let at = 0; at < list.length; at += 2) {
    const name = String(list[at])
    const lower = lowerCase(name)
    if (dropped.has(lower)) continue
    const value = list[at + 1] ?? ''
    const made = contribution(lower, value, head, control)
    if (made === undefined) continue
    fields[lower] = made
    names.set(lower, name)
    const isAppended = made !== value || (head.outer[lower] === undefined && head.acts?.appended.has(lower) === true)
    if (lower === 'set-cookie' || (isAppended && lower !== 'vary')) appended.push(lower)
  }
  if (!head.acts?.removed.size && isEmpty(head.outer)) {
    return { fields, names, appended, removed: NOTHING, deciding: fields }
  }
  const before = Object.keys(head.outer).filter((name) => head.outer[name] !== undefined)
  const removed = [...new Set([...before, ...(head.acts?.removed ?? NO_NAMES)])].filter(
    (name) => head.field(name) === undefined,
  )
  return { fields, names, appended, removed, deciding: withOuterControl(fields, head, control, appended) }
}

const NOTHING: readonly string[] = Object.freeze([])

function isEmpty(fields: object): boolean {
  for (const _name in fields) return false
  return true
}

/**
 * Fields that describe one handler run, or one client of a rate limiter behind the cache, and would be wrong for all
 * others.
 */
export const PER_RUN_FIELDS: ReadonlySet<string> = new Set([
  'server-timing',
  'traceresponse',
  'x-correlation-id',
  'x-request-id',
  'x-response-time',
  'x-runtime',
  ...['', '-limit', '-policy', '-remaining', '-reset', '-used'].flatMap((end) => [
    `ratelimit${end}`,
    `x-ratelimit${end}`,
  ]),
])

/** An empty set of names. */
export const NO_NAMES: ReadonlySet<string> = new Set()

/** Fields that the cache adds, in the case in which it writes them. */
const OWN_NAMES: ReadonlyMap<string, string> = new Map([
  ['etag', 'ETag'],
  ['date', 'Date'],
])

/** Converts fields to a flat list, with the names as the route wrote them where known. */
export function toFieldList(fields: Fields, names?: ReadonlyMap<string, string>): FieldList {
  const list: FieldValue[] = []
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value !== undefined) list.push(names?.get(name) ?? OWN_NAMES.get(name) ?? name, value)
  }
  return list
}

/** The part of a field's value that the route contributed; `undefined` if none. */
function contribution(
  name: string,
  value: FieldValue,
  head: ResponseHead,
  control: readonly string[],
): FieldValue | undefined {
  const before = head.outer[name]
  if (before === undefined) return value
  const outer = typeof before === 'number' ? String(before) : before
  const isSet = head.isSetByRoute(name)
  if (String(outer) === String(value)) return isSet ? value : undefined
  if (name === 'vary') return withoutMembers(value, outer)
  if (name === 'set-cookie') return withoutLines(value, outer)
  return control.includes(name) ? value : withoutBeginning(value, outer)
}

function withoutMembers(value: FieldValue, outer: FieldValue): string | undefined {
  const known = new Set(membersOf(outer).map((member) => member.toLowerCase()))
  const added = membersOf(value).filter((member) => !known.has(member.toLowerCase()))
  return added.length === 0 ? undefined : added.join(', ')
}

/**
 * The lines that the route added. Each line of outer middleware is subtracted once, because the route may set the same
 * cookie.
 */
function withoutLines(value: FieldValue, outer: FieldValue): FieldValue | undefined {
  const known = [...linesOf(outer)]
  const added = linesOf(value).filter((line) => {
    const at = known.indexOf(line)
    if (at >= 0) known.splice(at, 1)
    return at < 0
  })
  return added.length === 0 ? undefined : added
}

/**
 * The lines or list members that the route appended to the value of outer middleware; the whole value if it replaced
 * it.
 */
function withoutBeginning(value: FieldValue, outer: FieldValue): FieldValue {
  const [before, now] = [linesOf(outer), linesOf(value)]
  if (now.length > before.length && before.every((line, at) => now[at] === line)) return now.slice(before.length)
  const [first = ''] = before
  if (before.length === 1 && typeof value === 'string' && value.startsWith(`${first},`)) {
    return value.slice(first.length + 1).trim()
  }
  return value
}

function linesOf(value: FieldValue): readonly string[] {
  return fieldLines({ value }, 'value')
}

function membersOf(value: FieldValue): readonly string[] {
  return listMembers(fieldValue({ value }, 'value') ?? '')
}

function withOuterControl(
  fields: Fields,
  head: ResponseHead,
  control: readonly string[],
  appended: readonly string[],
): Fields {
  let deciding: Record<string, FieldValue | undefined> | undefined
  for (const name of [...control, ...appended]) {
    if ((fields[name] !== undefined && control.includes(name)) || head.outer[name] === undefined) continue
    const value = head.field(name)
    if (value === undefined) continue
    deciding ??= Object.assign(emptyFields(), fields)
    deciding[name] = value
  }
  // The route may have used a result that outer middleware negotiated, such as a language.
  const vary = head.outer.vary === undefined ? undefined : head.field('vary')
  if (vary !== undefined) {
    deciding ??= Object.assign(emptyFields(), fields)
    deciding.vary = vary
  }
  return deciding ?? fields
}
