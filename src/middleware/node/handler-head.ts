import type { ServerResponse } from 'node:http'
import type { FieldList, FieldValue, ResponseHead } from '../../http/port/index.js'
import { knownFields, setField } from '../node-internals/index.js'
import type { SendingMethods } from './held-answer.js'
import { fieldOf, lineOf, type NodeRequest, type NodeResponse, userAmong } from './node-response.js'
import { NO_OUTER_FIELDS, OuterFields } from './outer-fields.js'
import { unwatchedValue } from './watched-absent.js'
import { inWireText, textOnWire } from './wire-text.js'

/** The head of a response as its handler has made it, beside the fields that outer middleware had set before. */
export class HandlerHead implements ResponseHead {
  readonly outer: ResponseHead['outer']
  /** `undefined` if only the head is wanted, and not what the route did to each field. */
  readonly outerFields: OuterFields | undefined
  /** The whole body, while the head is judged that Node.js sends with it: it decides how text is encoded. */
  whole: Uint8Array | string | undefined
  /** Whether `writeHead` was called with an empty reason phrase: set as a property, one means the standard phrase. */
  hasNoReason = false
  readonly #request: NodeRequest
  readonly #response: ServerResponse
  readonly #end: SendingMethods['end']

  /** @param isRecorded - whether the response is recorded, so that changes by the route must be told from others */
  constructor(request: NodeRequest, response: ServerResponse, isRecorded: boolean) {
    this.#request = request
    this.#response = response
    this.#end = response.end
    this.outerFields = isRecorded ? new OuterFields(response) : undefined
    this.outer = this.outerFields?.values ?? NO_OUTER_FIELDS
  }

  get status(): number {
    return this.#response.statusCode
  }

  get reason(): string | undefined {
    // http2 has no reason phrases, and warns when one is read.
    if (this.#request.httpVersionMajor > 1) return undefined
    if (this.hasNoReason) return ''
    const reason = this.#response.statusMessage || undefined
    return reason && textOnWire(reason, this.whole, this.#end)
  }

  get user(): unknown {
    const request = this.#request
    const own = Object.hasOwn(request, 'auth')
    // A read of a property that is watched would count as one of the handler.
    const auth = own ? Object.getOwnPropertyDescriptor(request, 'auth')?.value : unwatchedValue(request, 'auth')
    return userAmong(unwatchedValue(request, 'user'), auth, this.#response)
  }

  get session(): unknown {
    return unwatchedValue(this.#request, 'session')
  }

  field(name: string): FieldValue | undefined {
    return lineOf(setField(this.#response, name))
  }

  fields(): FieldList {
    return inWireText(this.#fields(), this.outer, this.whole, this.#end)
  }

  #fields(): FieldList {
    const response: NodeResponse = this.#response
    const known = knownFields(response)
    if (known !== undefined) return known
    const names = response.getRawHeaderNames?.() ?? response.getHeaderNames()
    const list: FieldValue[] = []
    // http2 leaves the status among the fields, if it has refused to send them.
    for (const name of names) if (!name.startsWith(':')) list.push(name, fieldOf(response, name) ?? '')
    return list
  }

  isSetByRoute(name: string): boolean {
    return this.outerFields?.isSet(name) === true
  }

  get acts(): ResponseHead['acts'] {
    return this.outerFields?.acts
  }
}
