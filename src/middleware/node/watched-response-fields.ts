import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { type InputsRead, lowerCase } from '../../http/port/index.js'
import type { OuterFields } from './outer-fields.js'
import { methodsWith } from './shared-methods.js'
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
  /**
   * Fields to which frameworks append, with their values when they were read: a read counts unless they are set
   * afterwards.
   */
  #reads: Map<string, object | undefined> | undefined
  #stopSets: (() => void) | undefined

  constructor(response: ServerResponse, outer: OuterFields, inputs: InputsRead) {
    this.#response = response
    this.#outer = outer
    this.#inputs = inputs
    inputs.fieldsBefore = outer.values
    const { getHeader, hasHeader, getHeaders, getHeaderNames } = response
    this.#before = { getHeader, hasHeader, getHeaders, getHeaderNames }
    const watched = response as Watched
    // Another watch exists if another cache has handled the request before.
    const own = watched[FIELDS] === undefined ? SHARED : methodsWith(SHARED, FIELDS, this)
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
    const { acts } = this.#outer
    for (const [name, content] of this.#reads ?? NONE) {
      // A method of the prototype may have set it.
      if (!acts.removed.has(name) && this.#outer.content(name) !== content) acts.append(name)
      else this.#inputs.responseField(name)
    }
    this.#reads = undefined
    this.#stopSets?.()
    const [response, own, before] = [this.#response, this.#own, this.#before]
    if (response.getHeader === own.getHeader) response.getHeader = before.getHeader
    if (response.hasHeader === own.hasHeader) response.hasHeader = before.hasHeader
    if (response.getHeaders === own.getHeaders) response.getHeaders = before.getHeaders
    if (response.getHeaderNames === own.getHeaderNames) response.getHeaderNames = before.getHeaderNames
  }

  #read(name: unknown): void {
    if (!this.#inputs.isCounting || typeof name !== 'string') return
    const lower = lowerCase(name)
    if (this.#outer.acts.isOwn(lower)) return
    if (!APPENDED.has(lower)) {
      this.#inputs.responseField(lower)
      return
    }
    this.#stopSets ??= this.#watchSets()
    this.#reads ??= new Map()
    this.#reads.set(lower, this.#outer.content(lower))
  }

  /** Distinguishes a field that was read and set, to append to it, from one that was set again, to replace it. */
  #watchSets(): () => void {
    const [response, outer] = [this.#response, this.#outer]
    const { setHeader } = response
    const own: typeof setHeader = (name, value) => {
      const lower = lowerCase(String(name))
      const reads = this.#reads
      const isRead = reads?.has(lower) === true && !outer.acts.removed.has(lower)
      const isAppended = isRead && reads?.get(lower) === outer.content(lower)
      setHeader.call(response, name, value)
      if (isRead) reads?.delete(lower)
      if (isAppended) outer.acts.append(name)
      return response
    }
    response.setHeader = own
    return () => {
      if (response.setHeader === own) response.setHeader = setHeader
    }
  }
}

const NONE: readonly (readonly [name: string, content: object | undefined])[] = Object.freeze([])

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
