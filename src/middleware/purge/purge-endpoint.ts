import type { IncomingMessage } from 'node:http'
import { type Clock, settledWithin } from '../../core/clock.js'
import type { FallbackCache, InvalidateOptions, Invalidation } from '../../core/fallback-cache.js'
import { combinedReceipt } from '../../core/receipt.js'
import { type ParsedRequest, readContent } from '../node/index.js'
import { HandledIds, type SharedIds } from './handled-ids.js'
import type { PurgeSettings } from './purge-options.js'
import { type PurgeOrder, readPurgeOrder } from './purge-order.js'
import { isSigned, readSignedHead } from './signature.js'

/** What is purged: a cache, with its responses. */
export interface Purged {
  readonly cache: FallbackCache
  readonly clock: Clock
  /** `undefined` without Redis. */
  readonly sharedIds: () => SharedIds | undefined
  invalidatePaths(paths: readonly string[], options: InvalidateOptions): Promise<Invalidation>
  invalidateAll(options: InvalidateOptions): Promise<Invalidation>
  invalidateTags(tags: readonly string[], options: InvalidateOptions): Promise<Invalidation>
}

/** The answer to a message. */
export interface PurgeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Maximum length of the content of a message, in bytes. */
const LONGEST_CONTENT = 65_536

/** How long a client may take to send the content, in ms. */
const SENT_WITHIN = 10_000

/** Carries out invalidations that signed messages ask for, each message once. */
export class PurgeEndpoint {
  readonly #purged: Purged
  readonly #settings: PurgeSettings
  readonly #ids: HandledIds
  #isSaid = false

  constructor(purged: Purged, settings: PurgeSettings) {
    this.#purged = purged
    this.#settings = settings
    // From as early to as late as a message is accepted, and a minute for clocks of processes that differ.
    const keptFor = (2 * settings.tolerance + 60) * 1000
    this.#ids = new HandledIds(purged.clock, keptFor, purged.sharedIds)
  }

  /** The answer to a request. Never rejects. @param parsed - the object on which a body parser would have stored the content */
  async answer(request: IncomingMessage, parsed: ParsedRequest): Promise<PurgeAnswer> {
    try {
      return await this.#answer(request, parsed)
    } catch (error) {
      return refused(500, error instanceof Error ? error.message : 'the purge failed')
    }
  }

  async #answer(request: IncomingMessage, parsed: ParsedRequest): Promise<PurgeAnswer> {
    if (request.method !== 'POST') return refused(405, 'a purge is a POST', { allow: 'POST' })
    // Checked before the content is read: a message without a signature costs nothing.
    const head = readSignedHead(request.headers)
    if (typeof head === 'string') return closing(request, refused(401, head))
    const late = this.#purged.clock.now() / 1000 - head.timestamp
    if (Math.abs(late) > this.#settings.tolerance)
      return closing(
        request,
        refused(401, `webhook-timestamp is ${Math.abs(Math.round(late))} s ${late > 0 ? 'old' : 'in the future'}`),
      )
    const content = await this.#contentOf(request, parsed)
    if (!Buffer.isBuffer(content)) return closing(request, content)
    if (!isSigned(head, content, this.#settings.secrets)) return refused(401, 'the signature is not valid')
    let order: PurgeOrder
    try {
      order = readPurgeOrder(content)
    } catch (error) {
      return refused(400, messageOf(error))
    }
    return this.#once(head.id, order)
  }

  async #contentOf(request: IncomingMessage, parsed: ParsedRequest): Promise<Buffer | PurgeAnswer> {
    if ((request.headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity')
      return refused(415, 'the content must not be encoded')
    const reading = Promise.resolve(readContent(request, LONGEST_CONTENT, parsed))
    let content: Awaited<typeof reading> | undefined
    void reading.then((read) => {
      content = read
    })
    await settledWithin(this.#purged.clock, reading, SENT_WITHIN)
    if (content === undefined) return refused(408, `the content did not arrive within ${SENT_WITHIN / 1000} s`)
    if (content === 'incomplete') return refused(400, 'the content is not complete')
    if (content === 'too-large' || content.length > LONGEST_CONTENT)
      return refused(413, `the content is longer than ${LONGEST_CONTENT} bytes`)
    if (content !== 'consumed') return content
    if (!this.#isSaid) process.emitWarning(CONSUMED, 'FallbackCacheWarning')
    this.#isSaid = true
    return refused(500, CONSUMED)
  }

  async #once(id: string, order: PurgeOrder): Promise<PurgeAnswer> {
    const taken = await this.#ids.take(id)
    if (taken === 'done') return json(200, { repeated: true })
    if (taken === 'begun') return refused(409, 'this message is being carried out', { 'retry-after': '1' })
    if (taken === 'full') return refused(503, 'too many messages', { 'retry-after': '60' })
    try {
      const receipt = await this.#carryOut(order)
      await this.#ids.finish(id)
      // Accepted: the other processes are told when Redis can be used again.
      return json(receipt.durable ? 200 : 202, receipt)
    } catch (error) {
      await this.#ids.release(id)
      return refused(error instanceof TypeError ? 400 : 500, messageOf(error))
    }
  }

  async #carryOut({ paths, prefixes, tags, soft, confirm, ...order }: PurgeOrder): Promise<Invalidation> {
    const how = { soft, confirm }
    // A path that cannot be read is an error before anything is invalidated.
    const receipts = paths.length === 0 ? [] : [await this.#purged.invalidatePaths(paths, how)]
    const others = [
      ...(prefixes.length === 0 ? [] : [this.#purged.cache.invalidatePrefixes(prefixes, how)]),
      ...(tags.length === 0 ? [] : [this.#purged.invalidateTags(tags, how)]),
      ...(order.all ? [this.#purged.invalidateAll(how)] : []),
    ]
    const all = [...receipts, ...(await Promise.all(others))]
    // A process that is missing in one of them has not applied all.
    const [first, ...rest] = all.map(({ confirmedBy }) => confirmedBy)
    const confirmedBy = first?.filter((name) => rest.every((names) => names?.includes(name) === true))
    return { ...combinedReceipt(all), confirmedBy }
  }
}

const CONSUMED =
  'purgeEndpoint() needs the bytes that were signed, and a body parser has read them: mount it in front of body parsers, or keep the bytes with express.json({ verify: (req, _res, bytes) => { req.rawBody = bytes } })'

function json(status: number, value: object, headers: PurgeAnswer['headers'] = {}): PurgeAnswer {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store', ...headers },
    body: JSON.stringify(value),
  }
}

function refused(status: number, error: string, headers?: PurgeAnswer['headers']): PurgeAnswer {
  return json(status, { error }, headers)
}

/** Ends the connection, because the rest of the content is not read. HTTP/2 has no such field. */
function closing(request: IncomingMessage, answer: PurgeAnswer): PurgeAnswer {
  if (request.httpVersionMajor >= 2) return answer
  return { ...answer, headers: { ...answer.headers, connection: 'close' } }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
