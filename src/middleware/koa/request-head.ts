import { parse as parseQuery } from 'node:querystring'
import type { Context } from 'koa'
import type { RequestHead } from '../../http/port/index.js'
import {
  addedContent,
  begunKoaAnswer,
  filledIn,
  otherOriginOf,
  type ParsedContent,
  rewrittenUrl,
  socketOf,
  streamsBody,
} from '../node/index.js'
import { reroutedPath } from './route-pattern.js'

/** The head of a Koa request; properties that are expensive to compute are computed on access. */
export class KoaRequestHead implements RequestHead {
  readonly method: string
  readonly url: string
  readonly headers: RequestHead['headers']
  readonly #ctx: Context
  readonly #ignored: ReadonlySet<string> | undefined
  #protocol: string | undefined
  #host: string | undefined
  /** `null`: not looked for yet. */
  #otherOrigin: string | undefined | null = null

  constructor(ctx: Context, ignored: ReadonlySet<string> | undefined) {
    this.#ignored = ignored
    this.method = ctx.method
    this.url = ctx.originalUrl
    this.headers = ctx.req.headers
    this.#ctx = ctx
  }

  /** Set by koa-methodoverride and similar middleware. */
  get originalMethod(): string | undefined {
    return (this.#ctx.req as { readonly originalMethod?: string }).originalMethod
  }

  get hasBody(): boolean {
    return streamsBody(this.#ctx.req) || this.#added === false
  }

  get #added(): string | undefined | false {
    const { request, req, url, params, state } = this.#ctx as Context & { readonly params?: unknown }
    const { body, rawBody, files } = request as ParsedContent
    // Middleware of Express, used through koa-connect, sets them on the request of Node.js.
    const { cookies, signedCookies } = req as ParsedContent
    const cookie = cookies === undefined && signedCookies === undefined ? undefined : req.headers.cookie
    return addedContent(
      { body, rawBody, files, params, locals: state, query: parsedQuery(request), cookies, signedCookies },
      { method: this.method, url, cookie, parseQuery },
    )
  }

  get rewritten(): string | undefined {
    // koa-mount sets its mount path, except for nested mounts.
    const { mountPath = '' } = this.#ctx as { readonly mountPath?: string }
    const url = rewrittenUrl(this.url, this.#ctx.url, mountPath === '/' ? '' : mountPath)
    const path = reroutedPath(this.#ctx as object)
    const added = this.#added
    const { originalUrl } = this.#ctx.request
    if (path === undefined && typeof added !== 'string' && originalUrl === this.url) return url
    return JSON.stringify([url ?? this.url, path, added, originalUrl === this.url ? null : originalUrl])
  }

  get protocol(): string {
    // Koa's getter throws without a connection; a request without a plain origin passes by the cache.
    this.#protocol ??= socketOf(this.#ctx.req) === null ? '' : this.#ctx.protocol
    return this.#protocol
  }

  get host(): string {
    this.#host ??= this.#ctx.host
    return this.#host
  }

  get lines(): readonly string[] {
    return this.#ctx.req.rawHeaders
  }

  get begun(): string | undefined {
    return begunKoaAnswer(this.#ctx)
  }

  filled(input: string): string | null | undefined {
    const ctx = this.#ctx
    return filledIn(
      {
        req: ctx.req,
        res: ctx.res,
        ctx,
        request: ctx.request,
        reply: ctx.response,
        state: ctx.state,
        response: ctx.res,
      },
      input,
      this.#ignored,
    )
  }

  get otherOrigin(): string | undefined {
    if (this.#otherOrigin === null) this.#otherOrigin = otherOriginOf(this.#ctx.req, this.protocol, this.host)
    return this.#otherOrigin
  }
}

/** The query that middleware in front has had parsed, and may have added to; `undefined` if it has not. */
function parsedQuery(request: object): unknown {
  const { _querycache: parsed } = request as { readonly _querycache?: Readonly<Record<string, unknown>> }
  return parsed === undefined ? undefined : parsed[(request as { readonly querystring: string }).querystring]
}
