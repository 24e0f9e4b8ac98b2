import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { sharedSymbol } from '../../core/brand.js'
import type { FieldValue } from '../../http/port/index.js'
import { type OutgoingFields, outgoingFields } from '../node-internals/index.js'
import { RouteActs } from './route-acts.js'

/**
 * Copies of the fields that outer middleware had set when the request reached the cache. Detects fields that the route
 * sets afterwards, even to the same value.
 */
export class OuterFields {
  /** By lower-case name. Arrays are copied, so that in-place changes by a handler do not affect them. */
  readonly values: Readonly<Record<string, FieldValue | number | undefined>>
  readonly #response: ServerResponse
  /** Node.js's internal [name, value] arrays; `setHeader` creates a new array, even for an equal value. */
  readonly #pairs: OutgoingFields | undefined
  /** The names set since, each with an object for its last call, if the internal arrays are not accessible. */
  readonly #set: Map<string, object> | undefined
  readonly acts: RouteActs

  constructor(response: ServerResponse) {
    this.#response = response
    const pairs = outgoingFields(response)
    if (pairs === undefined) this.#set = setFrom(response)
    else this.#pairs = { ...pairs }
    this.acts = new RouteActs(response, this)
    this.values = copyOf(response.getHeaders())
    const marked = response as { [OUTER]?: OuterFields }
    marked[OUTER] ??= this
  }

  /** Whether the route has set a field, by its lower-case name. */
  isSet(name: string): boolean {
    if (this.#set !== undefined) return this.#set.has(name)
    return outgoingFields(this.#response)?.[name] !== this.#pairs?.[name]
  }

  /** An object for the current value of a field: another one after each call that sets it, the same one after values were appended. */
  content(name: string): object | undefined {
    return this.#set === undefined ? outgoingFields(this.#response)?.[name] : this.#set.get(name)
  }
}

/** The fields of outer middleware if there are none, or if they do not matter. */
export const NO_OUTER_FIELDS: OuterFields['values'] = Object.freeze({})

/** A field that outer middleware has set, as visible in front of the application. */
export function outerFieldOf(response: ServerResponse, name: string): FieldValue | undefined {
  const { [OUTER]: outer } = response as { readonly [OUTER]?: OuterFields }
  const value = outer === undefined ? response.getHeader(name) : outer.values[name]
  return typeof value === 'number' ? String(value) : value
}

/** Whether a cache in front has begun to record a response. */
export function isRecorded(response: object): boolean {
  return OUTER in response
}

const OUTER: unique symbol = sharedSymbol('outer') as never

function copyOf(fields: OutgoingHttpHeaders): OuterFields['values'] {
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (Array.isArray(value)) fields[name] = [...value]
  }
  return fields
}

/** Collects the lower-case names of the fields set from now on, by wrapping `setHeader` and `appendHeader`. */
function setFrom(response: ServerResponse): Map<string, object> {
  const names = new Map<string, object>()
  for (const method of ['setHeader', 'appendHeader'] as const) {
    const before = response[method] as ((...args: unknown[]) => ServerResponse) | undefined
    if (before === undefined) continue
    response[method] = function (this: ServerResponse, ...args: unknown[]) {
      const lower = String(args[0]).toLowerCase()
      if (method === 'setHeader' || !names.has(lower)) names.set(lower, {})
      return before.apply(this, args)
    } as never
  }
  return names
}
