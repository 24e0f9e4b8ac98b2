import type { Fields } from '../syntax/fields.js'

/** A response that the option `cacheIf` is asked about: complete, and about to be stored. */
export class FinishedResponse {
  /** Its status code. */
  readonly status: number
  /** Its header fields as the route made them, by lower-case name; a field of several lines is an array. */
  readonly fields: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly #body: Buffer
  #copy: Buffer | undefined

  constructor(status: number, fields: Fields, body: Buffer) {
    this.status = status
    const copied = Object.entries(fields).map(([name, value]) => [name, Array.isArray(value) ? [...value] : value])
    this.fields = Object.fromEntries(copied)
    this.#body = body
  }

  /** Its whole body, in the handler's own `Content-Encoding` if it has one. A copy: changing it changes no response. */
  get body(): Buffer {
    this.#copy ??= Buffer.from(this.#body)
    return this.#copy
  }
}
