import type { ResponseHead } from '../port/exchange.js'
import {
  emptyFields,
  type FieldList,
  type Fields,
  type FieldValue,
  fieldLines,
  fieldValue,
  listMembers,
} from '../syntax/fields.js'

/** What of a response head the route made, told from what outer middleware had set for this one client. */
export interface RouteFields {
  /** What the route added or changed: all that may be stored. Names in lower case. */
  readonly fields: Fields
  /** The names of {@link fields}, as the route wrote them. */
  readonly names: ReadonlyMap<string, string>
  /** Those among {@link fields} that the route has added to a field of outer middleware, and cookies: a hit adds them to what it has. */
  readonly appended: readonly string[]
  /** What outer middleware had set and the route took away. */
  readonly removed: readonly string[]
  /** {@link fields} with all that stands in them, and those that decide about caching though outer middleware has set them. */
  readonly deciding: Fields
}

/**
 * The difference that a route made to the fields of its response.
 *
 * Cookies, CORS, request ids, rate-limit counters and nonces of outer middleware are for one client and are set anew for
 * the next one, so they are no part of a stored response.
 *
 * @param control - names, in lower case, of fields that count for the decision whoever has set them
 * @param dropped - names, in lower case, of fields that describe one run of the handler only
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
    if (lower === 'set-cookie' || (made !== value && lower !== 'vary')) appended.push(lower)
  }
  const removed = Object.keys(head.outer).filter(
    (name) => head.outer[name] !== undefined && head.field(name) === undefined,
  )
  return { fields, names, appended, removed, deciding: withOuterControl(fields, head, control, appended) }
}

/** Fields that describe one run of a handler, or one client of a rate limiter behind the cache, and would lie about every other. */
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

/** No field at all. */
export const NO_NAMES: ReadonlySet<string> = new Set()

/** Fields that the cache adds itself, as it writes them. */
const OWN_NAMES: ReadonlyMap<string, string> = new Map([
  ['etag', 'ETag'],
  ['date', 'Date'],
])

/** Lower case, of the names that applications write again and again. */
function lowerCase(name: string): string {
  const known = LOWER.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  // Bounded: behind a proxy, names are up to others.
  if (LOWER.size >= 1_000) LOWER.clear()
  if (name.length <= 64) LOWER.set(name, lower)
  return lower
}

const LOWER = new Map<string, string>()

/** Fields as a flat list, under the names that the route wrote where it did. */
export function toFieldList(fields: Fields, names?: ReadonlyMap<string, string>): FieldList {
  const list: FieldValue[] = []
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (value !== undefined) list.push(names?.get(name) ?? OWN_NAMES.get(name) ?? name, value)
  }
  return list
}

/** What the route did to one field; `undefined`: nothing. */
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

/** The lines beyond those of outer middleware, each of which counts once: the route may set the same cookie. */
function withoutLines(value: FieldValue, outer: FieldValue): FieldValue | undefined {
  const known = [...linesOf(outer)]
  const added = linesOf(value).filter((line) => {
    const at = known.indexOf(line)
    if (at >= 0) known.splice(at, 1)
    return at < 0
  })
  return added.length === 0 ? undefined : added
}

/** What the route has put behind the value of outer middleware, as further lines or list members; the value itself, where it is another one. */
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
  // What outer middleware has negotiated, the route may have used: a language, say.
  const vary = head.outer.vary === undefined ? undefined : head.field('vary')
  if (vary !== undefined) {
    deciding ??= Object.assign(emptyFields(), fields)
    deciding.vary = vary
  }
  return deciding ?? fields
}
