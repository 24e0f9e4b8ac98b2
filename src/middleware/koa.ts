import { type RequestListener, type ServerResponse, STATUS_CODES } from 'node:http'
import type Application from 'koa'
import type { Context, Middleware, Next } from 'koa'
import type {
  Exchange,
  FieldChanges,
  FieldList,
  FieldValue,
  Recording,
  Reply,
  RequestHead,
  ResponseHead,
} from '../http/exchange.js'
import type { FallbackCacheMiddlewareOptions } from '../http/options.js'
import { readPolicy } from '../http/policy.js'
import { ResponseCache } from '../http/response-cache.js'
import type { ResponseHandle } from '../http/response-handle.js'
import { type CacheFace, cacheFace } from './cache-face.js'
import { runDetached } from './detached.js'
import { hasNoContent, type KoaBody, koaBody, sendsWebBodies } from './koa-body.js'
import { drain, tee } from './tee.js'

declare module 'koa' {
  interface ExtendableContext {
    /** What a handler can say about its own answer; there behind `fallbackCache()`. */
    fallbackCache: ResponseHandle
  }
}

/** The options of {@link fallbackCache}; functions among them are given the `ctx`. */
export type FallbackCacheOptions = FallbackCacheMiddlewareOptions<Context>

/** What {@link fallbackCache} returns: a Koa middleware that carries its cache. */
export interface FallbackCacheMiddleware extends Middleware, CacheFace {}

/**
 * A Koa middleware that answers from the cache, and keeps what the handlers below it leave at `ctx.body`. For Koa 2 and 3.
 *
 * ```ts
 * app.use(fallbackCache({ ttl: 60 }))
 * ```
 *
 * @throws TypeError or RangeError when an option cannot be read
 */
export function fallbackCache(options: FallbackCacheOptions = {}): FallbackCacheMiddleware {
  const policy = readPolicy(options)
  const responses = new ResponseCache(policy)
  const middleware: Middleware = (ctx, next) => responses.handle(new KoaExchange(ctx, next))
  return Object.assign(middleware, cacheFace(policy))
}

class KoaExchange implements Exchange<Context> {
  readonly context: Context
  readonly #next: Next
  #request: RequestHead | undefined

  constructor(ctx: Context, next: Next) {
    this.context = ctx
    this.#next = next
  }

  get raw(): object {
    return this.context.req
  }

  get request(): RequestHead {
    this.#request ??= requestHead(this.context)
    return this.#request
  }

  field(name: string): FieldValue | undefined {
    return fieldOf(this.context, name)
  }

  reply(reply: Reply): void {
    send(this.context, reply)
  }

  async forward(recording: Recording, changes?: FieldChanges): Promise<void> {
    const ctx = this.context
    const outer: OuterFields = { ...ctx.res.getHeaders() }
    const restore = changes && change(ctx.req.headers, changes)
    const leave = () => recording.leave()
    if (recording.wants === 'response') ctx.res.once('close', leave)
    ctx.fallbackCache = recording.handle
    try {
      await this.#next()
    } catch (error) {
      const instead = recording.fail(error)
      if (instead === undefined) throw error
      return sendInstead(ctx, outer, instead)
    } finally {
      ctx.res.removeListener('close', leave)
      restore?.()
    }
    await record(ctx, outer, recording)
  }

  refresh(changes: FieldChanges, introduce: (raw: object) => void, done: () => void): boolean {
    const { app, req, originalUrl } = this.context
    runDetached(listenerOf(app), { original: req, url: originalUrl, changes, introduce, done })
    return true
  }
}

const listeners = new WeakMap<Application, RequestListener>()

/** What an HTTP server would call; Koa composes the middleware anew for each one. */
function listenerOf(app: Application): RequestListener {
  const known = listeners.get(app)
  if (known) return known
  const listener = app.callback()
  listeners.set(app, listener)
  return listener
}

/** Fields of the response, as node keeps them. */
type OuterFields = ResponseHead['outer']

function requestHead(ctx: Context): RequestHead {
  const { req } = ctx
  return {
    method: ctx.method,
    // Left there by koa-methodoverride and its like.
    originalMethod: (req as { readonly originalMethod?: string }).originalMethod,
    url: ctx.originalUrl,
    protocol: ctx.protocol,
    host: ctx.host,
    headers: req.headers,
  }
}

/** Tells the recording what the handlers left on the context, and prepares it to be sent by Koa. */
async function record(ctx: Context, outer: OuterFields, recording: Recording): Promise<void> {
  // Written around Koa, or about to be: there is nothing at ctx.body to look at.
  if (ctx.respond === false || ctx.headerSent) return passBy(ctx, outer, recording)
  const body = koaBody(ctx)
  const onward = recording.begin(new KoaResponseHead(ctx, outer, body), body.kind === 'whole' ? body.bytes : undefined)
  if (onward.before) await onward.before
  if (onward.instead) {
    if (onward.record) await finish(body, recording)
    return sendInstead(ctx, outer, onward.instead)
  }
  lay(ctx, onward.fields)
  if (onward.record) watch(ctx, body, recording)
}

function passBy(ctx: Context, outer: OuterFields, recording: Recording): void {
  if (ctx.headerSent) recording.begin(new KoaResponseHead(ctx, outer, { kind: 'unanswered' }))
  recording.abort('aborted')
}

async function finish(body: KoaBody, recording: Recording): Promise<void> {
  if (body.kind === 'stream') await drain(body.open(), recording)
  else if (body.kind === 'whole') recording.end()
  else recording.abort('aborted')
}

function watch(ctx: Context, body: KoaBody, recording: Recording): void {
  if (body.kind === 'stream') {
    // Koa 2 listens for errors of every stream that was at ctx.body, the handler's own included.
    setBody(ctx, tee(body.open(), recording, !sendsWebBodies(ctx.response)))
  } else if (body.kind === 'whole') {
    // Koa need not write the object once more.
    if (body.from === 'json') setBody(ctx, body.bytes)
    recording.end()
  } else {
    recording.abort('aborted')
  }
}

/** Sets `ctx.body` and nothing else: Koa gives a body a type and takes the length of the former one away. */
function setBody(ctx: Context, body: unknown): void {
  const kept = ['Content-Type', 'Content-Length'].map((name) => [name, ctx.res.getHeader(name)] as const)
  ctx.body = body
  for (const [name, value] of kept) {
    if (value !== undefined) ctx.res.setHeader(name, value)
    else if (name === 'Content-Type') ctx.res.removeHeader(name)
  }
}

/** Sends a reply in place of what the handlers have put on the context. */
function sendInstead(ctx: Context, outer: OuterFields, reply: Reply): void {
  if (ctx.headerSent) return
  for (const name of ctx.res.getHeaderNames()) {
    if (!(name in outer)) ctx.res.removeHeader(name)
  }
  for (const [name, value] of Object.entries(outer)) {
    if (value !== undefined) ctx.res.setHeader(name, value as string)
  }
  send(ctx, reply)
}

function send(ctx: Context, reply: Reply): void {
  const { res } = ctx
  ctx.status = reply.status
  if (reply.reason !== undefined) ctx.message = reply.reason
  for (const name of reply.removed) res.removeHeader(name)
  lay(ctx, reply.fields)
  const hasType = res.hasHeader('Content-Type')
  const length = res.getHeader('Content-Length')
  if (reply.body !== undefined) ctx.body = reply.body
  else if (hasNoContent(reply.status)) ctx.body = null
  else ctx.body = EMPTY
  if (!hasType) res.removeHeader('Content-Type')
  // The length of what GET would send, which HEAD does not.
  if (ctx.method === 'HEAD' && length !== undefined) res.setHeader('Content-Length', length)
}

const EMPTY = Buffer.alloc(0)

function lay(ctx: Context, fields: FieldList): void {
  for (let i = 0; i < fields.length; i += 2) ctx.res.setHeader(fields[i] as string, fields[i + 1] as string | string[])
}

/** Changes the fields of the request, and returns what undoes it. */
function change(headers: Context['req']['headers'], changes: FieldChanges): () => void {
  const before = Object.keys(changes).map((name) => [name, headers[name]] as const)
  for (const [name, value] of Object.entries(changes)) put(headers, name, value)
  return () => {
    for (const [name, value] of before) put(headers, name, value)
  }
}

function put(headers: Context['req']['headers'], name: string, value: string | string[] | undefined): void {
  if (value === undefined) delete headers[name]
  else headers[name] = value
}

function fieldOf(ctx: Context, name: string): FieldValue | undefined {
  const value = ctx.res.getHeader(name)
  return typeof value === 'number' ? String(value) : value
}

/** The names of all fields in their own case, which the answers of HTTP/2 do not keep. */
function fieldNames(res: ServerResponse & { getRawHeaderNames?(): string[] }): string[] {
  return res.getRawHeaderNames?.() ?? res.getHeaderNames()
}

class KoaResponseHead implements ResponseHead {
  readonly outer: OuterFields
  readonly #ctx: Context
  readonly #body: KoaBody

  constructor(ctx: Context, outer: OuterFields, body: KoaBody) {
    this.outer = outer
    this.#ctx = ctx
    this.#body = body
  }

  get status(): number {
    return this.#ctx.status
  }

  /** Koa sets a reason phrase with every status; only another one was the handler's. */
  get reason(): string | undefined {
    const { statusMessage } = this.#ctx.res
    return statusMessage === '' || statusMessage === STATUS_CODES[this.status] ? undefined : statusMessage
  }

  get user(): unknown {
    return this.#ctx.state.user
  }

  /** koa-session counts keys of its own among the session's, and leaves them out of `toJSON()`. */
  get session(): unknown {
    const session: unknown = this.#ctx.session
    const toJson = (session as { readonly toJSON?: unknown } | undefined)?.toJSON
    return typeof toJson === 'function' ? toJson.call(session) : session
  }

  field(name: string): FieldValue | undefined {
    return this.#isReplaced(name) ? this.#message(name) : fieldOf(this.#ctx, name)
  }

  fields(): FieldList {
    const names = fieldNames(this.#ctx.res).filter((name) => !this.#isReplaced(name.toLowerCase()))
    const fields = names.flatMap((name): FieldValue[] => [name, fieldOf(this.#ctx, name) ?? ''])
    for (const name of ['Content-Type', 'Content-Length']) {
      const value = this.#message(name.toLowerCase())
      if (value !== undefined) fields.push(name, value)
    }
    return fields
  }

  /** Whether Koa, after all middleware, takes the field away or sets another value: nothing is sent, or the reason phrase is. */
  #isReplaced(name: string): boolean {
    const sendsMessage = this.#body.kind === 'whole' && this.#body.from === 'message'
    return (sendsMessage || hasNoContent(this.status)) && CONTENT_FIELDS.has(name)
  }

  /** What Koa sets when it sends the reason phrase. */
  #message(name: string): string | undefined {
    if (this.#body.kind !== 'whole' || this.#body.from !== 'message') return undefined
    if (name === 'content-type') return 'text/plain; charset=utf-8'
    return name === 'content-length' ? String(Buffer.byteLength(this.#body.bytes)) : undefined
  }
}

const CONTENT_FIELDS = new Set(['content-type', 'content-length', 'transfer-encoding'])
