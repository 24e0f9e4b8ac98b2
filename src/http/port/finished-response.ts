import type { Fields } from '../syntax/fields.js'

/** The argument of the option `cacheIf`: a complete response that is about to be stored. */
export class FinishedResponse {
  /** Its status code. */
  readonly status: number
  /** The header fields that the route set, by lower-case name; a field with several lines is an array. */
  readonly fields: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly #body: Buffer
  #copy: Buffer | undefined

  constructor(status: number, fields: Fields, body: Buffer) {
    this.status = status
    const copied = Object.entries(fields).map(([name, value]) => [name, Array.isArray(value) ? [...value] : value])
    this.fields = Object.fromEntries(copied)
    this.#body = body
  }

  /** The whole body, in the handler's own `Content-Encoding` if it has one. A copy, which may be modified. */
  get body(): Buffer {
    this.#copy ??= Buffer.from(this.#body)
    return this.#copy
  }
}
