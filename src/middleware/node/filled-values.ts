import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { InputsRead } from '../../http/port/index.js'
import {
  filledText,
  isIdentifierName,
  isNeutralName,
  isOfOneRun,
  isPlainValue,
  isPrivate,
  LINES,
  RESPONSE_FIELD,
  tokenOf,
} from '../../http/port/index.js'
import { readDistinct } from '../node-internals/index.js'
import { isAbsent } from './watched-property.js'

/** The objects on which middleware stores values, by the prefix of the input's name: `req` for `req:tenant`. */
export type FilledHolders = Readonly<
  Partial<Record<'req' | 'res' | 'ctx' | 'request' | 'reply' | 'locals' | 'state', object | undefined>>
> & {
  readonly response?: Pick<ServerResponse, 'getHeader' | 'getHeaders'> | undefined
}

/**
 * The value of an input that middleware has stored on a request or context, as text.
 *
 * @param ignored - inputs that `locals:*` and `state:*` omit
 * @returns `null` if there is none; `undefined` if it cannot be represented as text
 */
export function filledIn(
  holders: FilledHolders,
  input: string,
  ignored: ReadonlySet<string> = NONE_IGNORED,
): string | null | undefined {
  if (input.startsWith(LINES)) return filledText(linesOf(holders.req, input.slice(LINES.length)))
  const colon = input.indexOf(':')
  const prefix = input.slice(0, colon) as keyof FilledHolders
  const name = input.slice(colon + 1)
  if (prefix === 'response') {
    const { response } = holders
    return response === undefined
      ? null
      : responseFieldText(name, response.getHeader(name), () => response.getHeaders())
  }
  const holder = holders[prefix]
  if (holder === undefined) return null
  if (name === '*') return plainValues(prefix, holder, ignored)
  const value = ownValue(holder, name)
  return filledText(value, true) ?? (isAbsent(value) ? null : tokenOf(value))
}

/** The lines of a request field as `headersDistinct` has them; `undefined` if there are none. */
function linesOf(request: object | undefined, name: string): unknown {
  // Middleware in front may have changed them.
  const distinct = request && readDistinct(request)
  if (distinct !== undefined) return distinct[name]
  const { rawHeaders = NO_LINES } = (request ?? {}) as { readonly rawHeaders?: readonly string[] }
  const lines = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name)
  return lines.length === 0 ? undefined : lines
}

const NO_LINES: readonly string[] = Object.freeze([])

/** The text of a response field, or of all that may differ between visitors (`*`). */
function responseFieldText(
  name: string,
  value: OutgoingHttpHeaders[string],
  all: () => Readonly<OutgoingHttpHeaders>,
): string | null | undefined {
  if (name !== '*') return filledText(typeof value === 'number' ? String(value) : value)
  const fields = Object.entries(all()).filter(([field]) => !isOfOneRun(field))
  return filledText(Object.fromEntries(fields.map(([field, one]) => [field, String(one)])))
}

/** All plain values of an object as one text, with the names of the others, which count when they are read. */
function plainValues(prefix: string, holder: object, ignored: ReadonlySet<string>): string | null | undefined {
  const counted = Object.entries(holder).filter(
    ([name, value]) => !isAbsent(value) && isCountedAmongAll(name, value) && !ignored.has(`${prefix}:${name}`),
  )
  return filledText(Object.fromEntries(counted.map(([name, value]) => [name, isPlainValue(value) ? value : null])))
}

function isCountedAmongAll(name: string, value: unknown): boolean {
  return !isNeutralName(name) && !isPrivate(name, value) && !isIdentifierName(name)
}

const NONE_IGNORED: ReadonlySet<string> = new Set()

/** The value of a property; nothing if its getter throws, which only the handler is to see. */
export function ownValue(holder: object, name: string): unknown {
  try {
    return Reflect.get(holder, name)
  } catch {
    return undefined
  }
}

/** The values as they were when the run began. */
export class FilledBefore {
  readonly #before: FilledHolders
  readonly #inputs: InputsRead
  readonly #ignored: ReadonlySet<string>
  readonly #named: ReadonlyMap<string, string | null | undefined> | undefined

  constructor(inputs: InputsRead, live: FilledHolders, before: FilledHolders) {
    const { ignored, filledNames } = inputs
    this.#inputs = inputs
    this.#before = before
    this.#ignored = ignored
    this.#named =
      filledNames.length === 0 ? undefined : new Map(filledNames.map((name) => [name, filledIn(live, name, ignored)]))
  }

  filled(input: string): string | null | undefined {
    if (this.#named?.has(input)) return this.#named.get(input)
    if (this.#inputs.objectTexts.has(input)) return this.#inputs.objectTexts.get(input)
    if (!input.startsWith(RESPONSE_FIELD)) return filledIn(this.#before, input, this.#ignored)
    const name = input.slice(RESPONSE_FIELD.length)
    const { fieldsBefore } = this.#inputs
    return responseFieldText(
      name,
      fieldsBefore[name] as OutgoingHttpHeaders[string],
      () => fieldsBefore as OutgoingHttpHeaders,
    )
  }
}
