import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { sharedSymbol } from '../../core/brand.js'
import type { FieldValue } from '../../http/port/index.js'
import { type OutgoingFields, outgoingFields } from '../node-internals/outgoing-fields.js'

/**
 * The fields that a response had when its request reached the cache: those of outer middleware, as copies. Which of them the route has
 * set since is known by its calls, though the value may be the same.
 */
export class OuterFields {
  /** By lower-case name. A handler that changes an array in place does not change these. */
  readonly values: Readonly<Record<string, FieldValue | number | undefined>>
  readonly #response: ServerResponse
  /** Node keeps a pair for each field, and `setHeader` makes another one. */
  readonly #pairs: OutgoingFields | undefined
  /** The names that have been set, where there are no such pairs. */
  readonly #set: Set<string> | undefined

  constructor(response: ServerResponse) {
    this.#response = response
    const pairs = outgoingFields(response)
    if (pairs === undefined) this.#set = setFrom(response)
    else this.#pairs = { ...pairs }
    this.values = copyOf(response.getHeaders())
    const marked = response as { [OUTER]?: OuterFields }
    marked[OUTER] ??= this
  }

  /** Whether the route has set a field itself, by its lower-case name. */
  isSet(name: string): boolean {
    if (this.#set !== undefined) return this.#set.has(name)
    return outgoingFields(this.#response)?.[name] !== this.#pairs?.[name]
  }
}

/** A field that outer middleware has set, seen from in front of the application. */
export function outerFieldOf(response: ServerResponse, name: string): FieldValue | undefined {
  const { [OUTER]: outer } = response as { readonly [OUTER]?: OuterFields }
  const value = outer === undefined ? response.getHeader(name) : outer.values[name]
  return typeof value === 'number' ? String(value) : value
}

const OUTER: unique symbol = sharedSymbol('outer') as never

function copyOf(fields: OutgoingHttpHeaders): OuterFields['values'] {
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    if (Array.isArray(value)) fields[name] = [...value]
  }
  return fields
}

/** Collects the names of the fields that are set from now on, in lower case. */
function setFrom(response: ServerResponse): Set<string> {
  const names = new Set<string>()
  for (const method of ['setHeader', 'appendHeader'] as const) {
    const before = response[method] as ((...args: unknown[]) => ServerResponse) | undefined
    if (before === undefined) continue
    response[method] = function (this: ServerResponse, ...args: unknown[]) {
      names.add(String(args[0]).toLowerCase())
      return before.apply(this, args)
    } as never
  }
  return names
}
