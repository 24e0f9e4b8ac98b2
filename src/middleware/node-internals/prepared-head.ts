import type { ServerResponse } from 'node:http'
import type { Reply } from '../../http/port/index.js'
import { hasMethodsOfNode } from './node-methods.js'
import { hasNoFields, onlyField, showFields } from './outgoing-fields.js'
import { fieldsOf, JOINED, OFTEN, type Prepared, preparedFor, wholeOf } from './prepared-reply.js'
import { ordinaryTrial, ResponseTrial, trialReply } from './response-trial.js'
import { type Internals, isUntouched } from './untouched-response.js'

/**
 * Sends a reply with a pre-serialized head, if the response is unmodified and no other code observes it.
 *
 * Only the construction of the head is skipped. The bytes go through Node.js's own queue and `end()`, so pipelining,
 * backpressure, keep-alive, timeouts, `finish`, `close` and response observers work as usual.
 *
 * @param poweredBy - the X-Powered-By that the framework would have set first
 * @returns false if the reply must be sent normally; nothing was done then
 */
export function sendPrepared(response: ServerResponse, reply: Reply, poweredBy: string | undefined): boolean {
  return (
    supportsPrepared() &&
    hasNoFields(response) &&
    isUntouched(response, reply) &&
    sendUntouched(response, reply, poweredBy)
  )
}

/** Like {@link sendPrepared}, for a response with no field, or only X-Powered-By. */
export function sendPreparedOver(response: ServerResponse, reply: Reply): boolean {
  if (!supportsPrepared() || !isUntouched(response, reply)) return false
  const poweredBy = onlyField(response, 'x-powered-by')
  return poweredBy !== false && sendUntouched(response, reply, poweredBy)
}

function sendUntouched(response: ServerResponse, reply: Reply, poweredBy: string | undefined): boolean {
  const { _keepAliveTimeout: keepAliveTimeout, _maxRequestsPerSocket: maxRequestsPerSocket } =
    response as unknown as Internals
  const prepared = preparedFor(reply, keepAliveTimeout, maxRequestsPerSocket, poweredBy)
  if (prepared === false) return false
  transmit(response, prepared)
  return true
}

/** The server's connection settings that appear in every head. */
export interface ConnectionLimits {
  readonly keepAliveTimeout: number
  readonly maxRequestsPerSocket: number | null
}

/**
 * The complete serialized answer to a request without a response object, for a server whose responses are
 * {@link isOfNode}; `undefined` if it must be sent over a response object. A string is to be written as latin1.
 */
export function preparedAnswer(
  reply: Reply,
  method: string | undefined,
  { keepAliveTimeout, maxRequestsPerSocket }: ConnectionLimits,
  poweredBy: string | undefined,
): Buffer | string | undefined {
  // A HEAD response must have no body, and a reply to another method must have one.
  if (!supportsPrepared() || (reply.status !== 304 && (method === 'HEAD') !== (reply.body === undefined)))
    return undefined
  const prepared = preparedFor(reply, keepAliveTimeout, maxRequestsPerSocket, poweredBy)
  return prepared === false ? undefined : wholeOf(prepared)
}

function transmit(response: ServerResponse, prepared: Prepared): void {
  const internals = response as unknown as Internals
  const { status, body } = prepared.reply
  response.statusCode = status
  response.statusMessage = prepared.reason
  internals._header = prepared.head
  internals._headerSent = true
  showFields(response, fieldsOf(prepared))
  if (body === undefined) internals._hasBody = false
  const whole = wholeOf(prepared)
  if (typeof whole === 'string') {
    internals._send(whole, 'latin1')
  } else if (whole !== undefined) {
    internals._send(whole)
  } else {
    const { socket } = response
    socket?.cork()
    internals._send(prepared.head, 'latin1')
    if (body !== undefined) internals._send(body)
    socket?.uncork()
  }
  response.end()
}

let isSupported: boolean | undefined

/** Whether prepared answers can be sent: tested when the first middleware is made, so that no request pays for it. */
export function supportsPrepared(): boolean {
  isSupported ??= check()
  return isSupported
}

/**
 * Self-test: whether this Node.js sends the same bytes for a prepared answer, as text and as bytes, as it sends
 * normally.
 */
function check(): boolean {
  if (!hasMethodsOfNode) return false
  const [small, large] = [Buffer.from('text'), Buffer.alloc(JOINED + 1, 'x')]
  try {
    // The test itself must not be seen by a tracer that was loaded since.
    if (!isUntouched(new ResponseTrial('GET').response, trialReply(200, small, small.length))) return false
    return (
      isSentAlike('GET', trialReply(200, small, small.length)) &&
      isSentAlike('GET', trialReply(200, large, large.length)) &&
      isSentAlike('GET', trialReply(304, undefined, undefined)) &&
      isSentAlike('HEAD', trialReply(200, undefined, small.length))
    )
  } catch {
    return false
  }
}

function isSentAlike(method: string, reply: Reply): boolean {
  const ordinary = ordinaryTrial(method, reply)
  return ['as text', 'as bytes'].every((form) => {
    const prepared = new ResponseTrial(method)
    if (form === 'as bytes') (reply.memo as Prepared).sent = OFTEN - 1
    if (!isUntouched(prepared.response, reply)) return false
    return sendUntouched(prepared.response, reply, 'trial') && prepared.equals(ordinary)
  })
}
