import { createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** The fields of a signed message, by the names of Standard Webhooks. */
export interface SignedHead {
  /** The same for each attempt to deliver the message, and for no other one. */
  readonly id: string
  /** When it was sent, in epoch seconds. */
  readonly timestamp: number
  readonly signatures: readonly Buffer[]
}

/** Signatures in one message: a sender may sign with several secrets while one is replaced. */
const MOST_SIGNATURES = 10

/** Reads the fields of a signed message; a text that says what is wrong with them. */
export function readSignedHead(headers: IncomingHttpHeaders): SignedHead | string {
  const id = headers['webhook-id']
  const sentAt = headers['webhook-timestamp']
  const signed = headers['webhook-signature']
  if (id === undefined || sentAt === undefined || signed === undefined)
    return 'the fields webhook-id, webhook-timestamp and webhook-signature are required'
  // A field that was sent twice is a list, and fails here.
  if (typeof id !== 'string' || !/^[\w.:-]{1,200}$/.test(id)) return 'webhook-id is not a text of letters and digits'
  if (typeof sentAt !== 'string' || !/^\d{1,12}$/.test(sentAt)) return 'webhook-timestamp is not a number of seconds'
  const parts = String(signed).slice(0, 2000).split(' ').slice(0, MOST_SIGNATURES)
  const signatures = parts.flatMap((part) => {
    const [, base64] = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(part) ?? []
    return base64 === undefined ? [] : [Buffer.from(base64, 'base64')]
  })
  if (signatures.length === 0) return 'webhook-signature has no signature of the form v1,base64'
  return { id, timestamp: Number(sentAt), signatures }
}

/**
 * Whether one of the signatures is the HMAC-SHA-256 of id, time and content by one of the secrets. Takes the same time
 * for right and for wrong ones.
 */
export function isSigned(
  { id, timestamp, signatures }: SignedHead,
  content: Buffer,
  secrets: readonly Buffer[],
): boolean {
  let isRight = false
  for (const secret of secrets) {
    const expected = createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(content).digest()
    for (const signature of signatures) if (timingSafeEqual(expected, signature)) isRight = true
  }
  return isRight
}
