import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { type InputsRead, lowerCase } from '../../http/port/index.js'
import type { OuterFields } from './outer-fields.js'
import { watchedRecord } from './watched-fields.js'

/** The methods of a response by which handlers read its fields. */
type Methods = Pick<ServerResponse, 'getHeader' | 'hasHeader' | 'getHeaders' | 'getHeaderNames'>

/** The property under which a response stores its watch. */
const FIELDS = Symbol('fallback-cache.fields')

type Watched = ServerResponse & { [FIELDS]?: ResponseFieldsWatch }

/**
 * Records reads of response fields that the run itself has not set: middleware in front of the cache may have set them
 * for this client, or may set them for others.
 */
export class ResponseFieldsWatch {
  readonly #response: ServerResponse
  readonly #outer: OuterFields
  readonly #inputs: InputsRead
  readonly #before: Methods
  readonly #own: Methods
  /** Fields to which frameworks append: a read counts unless they are set afterwards. */
  #appended: Set<string> | undefined

  constructor(response: ServerResponse, outer: OuterFields, inputs: InputsRead) {
    this.#response = response
    this.#outer = outer
    this.#inputs = inputs
    inputs.fieldsBefore = outer.values
    const { getHeader, hasHeader, getHeaders, getHeaderNames } = response
    this.#before = { getHeader, hasHeader, getHeaders, getHeaderNames }
    const watched = response as Watched
    // Another watch exists if another cache has handled the request before.
    const own = watched[FIELDS] === undefined ? SHARED : methodsOf(this)
    watched[FIELDS] ??= this
    this.#own = own
    // A statement for each name, because V8 does not optimize accesses with a varying name.
    response.getHeader = own.getHeader
    response.hasHeader = own.hasHeader
    response.getHeaders = own.getHeaders
    response.getHeaderNames = own.getHeaderNames
  }

  getHeader(name: string): ReturnType<Methods['getHeader']> {
    this.#read(name)
    return this.#before.getHeader.call(this.#response, name)
  }

  hasHeader(name: string): boolean {
    this.#read(name)
    return this.#before.hasHeader.call(this.#response, name)
  }

  getHeaders(): OutgoingHttpHeaders {
    const fields = this.#before.getHeaders.call(this.#response)
    if (!this.#inputs.isCounting) return fields
    return watchedRecord(fields, { one: (name) => this.#read(name), all: () => this.#inputs.responseField('*') })
  }

  getHeaderNames(): string[] {
    this.#inputs.responseField('*')
    return this.#before.getHeaderNames.call(this.#response)
  }

  /** Restores the methods. Called before the head is recorded. */
  stop(): void {
    for (const name of this.#appended ?? NONE) {
      if (this.#outer.isSet(name)) this.#outer.acts.append(name)
      else this.#inputs.responseField(name)
    }
    const [response, own, before] = [this.#response, this.#own, this.#before]
    if (response.getHeader === own.getHeader) response.getHeader = before.getHeader
    if (response.hasHeader === own.hasHeader) response.hasHeader = before.hasHeader
    if (response.getHeaders === own.getHeaders) response.getHeaders = before.getHeaders
    if (response.getHeaderNames === own.getHeaderNames) response.getHeaderNames = before.getHeaderNames
  }

  #read(name: unknown): void {
    if (!this.#inputs.isCounting || typeof name !== 'string') return
    const lower = lowerCase(name)
    if (this.#outer.isSet(lower)) return
    if (!APPENDED.has(lower)) {
      this.#inputs.responseField(lower)
      return
    }
    this.#appended ??= new Set()
    this.#appended.add(lower)
  }
}

const NONE: readonly string[] = Object.freeze([])

const APPENDED: ReadonlySet<string> = new Set(['link', 'set-cookie'])

/** Shared functions for all responses: see `watchResponse`. */
const SHARED: Methods & ThisType<Watched> = {
  getHeader(name) {
    return this[FIELDS]?.getHeader(name)
  },
  hasHeader(name) {
    return this[FIELDS]?.hasHeader(name) === true
  },
  getHeaders() {
    return this[FIELDS]?.getHeaders() ?? {}
  },
  getHeaderNames() {
    return this[FIELDS]?.getHeaderNames() ?? []
  },
}

function methodsOf(watch: ResponseFieldsWatch): Methods {
  return {
    getHeader: (name) => watch.getHeader(name),
    hasHeader: (name) => watch.hasHeader(name),
    getHeaders: () => watch.getHeaders(),
    getHeaderNames: () => watch.getHeaderNames(),
  }
}
