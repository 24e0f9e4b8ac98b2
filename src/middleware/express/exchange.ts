import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Request } from 'express'
import type {
  DetachedRun,
  Exchange,
  FieldChanges,
  FieldValue,
  InputsRead,
  Recording,
  RefreshHead,
  Reply,
  RequestContent,
  RequestHead,
  ResponseHandle,
  ResponseHead,
} from '../../http/port/index.js'
import { ROUTE } from '../../http/port/index.js'
import type { Describing, RequestDescription } from '../../http/protocol/index.js'
import {
  addedContent,
  begunAnswer,
  changeFields,
  detachedRun,
  fieldOf,
  filledIn,
  HANDLER,
  isClosed,
  isEncrypted,
  keepContent,
  lineOf,
  type NodeRequest,
  otherOriginOf,
  type ParsedContent,
  readContent,
  rewrittenUrl,
  sendPreparedOver,
  sendReply,
  socketOf,
  streamsBody,
  userOf,
  watchFilled,
  watchRequest,
  watchResponse,
} from '../node/index.js'
import { expressHost } from './application.js'
import { isContested, routeText } from './contested-route.js'
import { expressRoute } from './route-pattern.js'

/** A response object in Express, as seen by a handler. */
type Answering = ServerResponse & { fallbackCache?: ResponseHandle; readonly locals?: object }

/** A request that adapters may have given a handler. */
type Parsed = ParsedContent & { readonly [HANDLER]?: unknown }

/** The exchange of a request in Express, or in a framework that calls `(req, res, next)`. */
export class ExpressExchange implements Exchange<Request>, RequestHead {
  readonly context: Request
  readonly #response: ServerResponse
  readonly #next: (error?: unknown) => void
  readonly #ignored: ReadonlySet<string> | undefined
  #url: string | undefined
  #content: Buffer | undefined
  /** The result of {@link addedContent}; `null` until it is called. */
  #addedBefore: string | undefined | false | null = null
  #outer: ResponseHead['outer'] | undefined
  #protocol: string | undefined
  #host: string | undefined
  /** `null`: not looked for yet. */
  #otherOrigin: string | undefined | null = null
  #headers: RequestHead['headers'] | undefined

  constructor(
    request: Request,
    response: ServerResponse,
    next: (error?: unknown) => void,
    ignored: ReadonlySet<string> | undefined,
  ) {
    this.context = request
    this.#response = response
    this.#next = next
    this.#ignored = ignored
  }

  get raw(): object {
    return this.context
  }

  get request(): RequestHead {
    return this
  }

  get user(): unknown {
    return userOf(this.context, this.#response)
  }

  get session(): unknown {
    return (this.context as NodeRequest).session
  }

  get route(): string | undefined {
    return expressRoute(this.context)
  }

  get method(): string {
    return this.context.method
  }

  get originalMethod(): string | undefined {
    const { originalMethod } = this.context as { readonly originalMethod?: unknown }
    return typeof originalMethod === 'string' ? originalMethod : undefined
  }

  get url(): string {
    // connect sets originalUrl in mounted middleware, plain node:http does not. Read once: sub-routers change url.
    this.#url ??= this.context.originalUrl ?? this.context.url ?? '/'
    return this.#url
  }

  get rewritten(): string | undefined {
    const { url, baseUrl = '' } = this.context
    // A mount takes its path from the beginning of the URL; middleware may have set another `baseUrl`.
    const isOwnBase = baseUrl !== '' && (url === this.url || !this.url.startsWith(baseUrl))
    const rewritten = isOwnBase ? `${baseUrl} ${url}` : rewrittenUrl(this.url, url, baseUrl)
    const added = this.#added
    return typeof added === 'string' ? JSON.stringify([rewritten ?? this.url, added]) : rewritten
  }

  get hasBody(): boolean {
    return streamsBody(this.context) || this.#added === false
  }

  get #added(): string | undefined | false {
    if (this.#addedBefore === null) this.#addedBefore = this.#findAdded()
    return this.#addedBefore
  }

  #findAdded(): string | undefined | false {
    const { method, url, baseUrl = '', headers, app, body, cookies, signedCookies } = this.context
    const { rawBody, file, files, params, version, [HANDLER]: handler } = this.context as Parsed
    const { locals } = this.#response as Answering
    // The getter of Express 5 parses the URL, so that nothing that is added to its result stays.
    const query = Object.hasOwn(this.context, 'query') ? this.context.query : undefined
    const parse: unknown = query === undefined ? undefined : app?.get('query parser fn')
    // Neither spreads nor computed names: V8 would make the map of such an object again for each request.
    return addedContent(
      { body, rawBody, file, files, query, params, locals, cookies, signedCookies, version, handler },
      {
        method,
        // Parameters may be those of a mount path.
        url: baseUrl + (url ?? ''),
        cookie: headers.cookie,
        parseQuery: typeof parse === 'function' ? (parse as () => object) : undefined,
      },
    )
  }

  get protocol(): string {
    this.#protocol ??= this.#findProtocol()
    return this.#protocol
  }

  #findProtocol(): string {
    const { headers } = this
    const socket = socketOf(this.context)
    // Without a socket the protocol is unknown, and a request without an origin bypasses the cache.
    if (socket === null) return ''
    // Express only checks its proxy trust for this field; without it the socket determines the protocol.
    if (headers['x-forwarded-proto'] !== undefined) return this.context.protocol ?? 'http'
    return isEncrypted(socket) ? 'https' : 'http'
  }

  get host(): string {
    this.#host ??= expressHost(this.context, this.context.app)
    return this.#host
  }

  get otherOrigin(): string | undefined {
    if (this.#otherOrigin === null) this.#otherOrigin = otherOriginOf(this.context, this.protocol, this.host)
    return this.#otherOrigin
  }

  get begun(): string | undefined {
    return begunAnswer(this.#response)
  }

  get headers(): RequestHead['headers'] {
    // The getter of Node.js is slow on requests of many shapes, and a watched request has a Proxy there.
    this.#headers ??= this.context.headers
    return this.#headers
  }

  get lines(): readonly string[] {
    return this.context.rawHeaders
  }

  get isClosed(): boolean {
    return isClosed(this.#response)
  }

  filled(input: string): string | null | undefined {
    if (input === ROUTE) return routeText(this.context) ?? null
    const res: Answering = this.#response
    return filledIn({ req: this.context, res, locals: res.locals, response: res }, input, this.#ignored)
  }

  field(name: string): FieldValue | undefined {
    return this.#outer === undefined ? fieldOf(this.#response, name) : lineOf(this.#outer[name])
  }

  readContent(limit: number): RequestContent | Promise<RequestContent> {
    return keepContent(readContent(this.context, limit, this.context), (content) => {
      this.#content = content
    })
  }

  reply(reply: Reply): void {
    if (!sendPreparedOver(this.#response, reply)) sendReply(this.#response, reply)
  }

  forward(recording: Recording, changes?: FieldChanges): void {
    const response = this.#response
    const restore = changeFields(this.context, changes)
    if (changes !== undefined) recording.restore = restore
    const { inputs } = recording
    if (inputs !== undefined) this.#watch(recording, inputs)
    try {
      ;(response as Answering).fallbackCache = recording.handle
      this.#outer = watchResponse(this.context, response, recording, restore)
    } catch {
      // Middleware in front has sealed the response, or fixed a property of it.
      recording.abort('fault')
      restore()
    }
    this.#next()
  }

  #watch(recording: Recording, inputs: InputsRead): void {
    try {
      this.#watchInputs(inputs)
    } catch {
      // Middleware in front has sealed the request, or fixed a property of it.
      recording.abort('fault')
    }
  }

  #watchInputs(inputs: InputsRead): void {
    if (isContested(this.context)) inputs.route(routeText(this.context))
    watchRequest(this.context, inputs)
    watchFilled(this.context, this.#response, inputs)
  }

  refresh(head: RefreshHead): DetachedRun | undefined {
    return detachedRun(this.context, this.url, this.#content, head)
  }
}

/** An exchange for `explain`, with a real or a described request, which runs nothing. */
export class ExplainedExpressExchange extends ExpressExchange {
  readonly #description: RequestDescription | undefined
  readonly #describing: Describing

  constructor(
    asked: IncomingMessage | RequestDescription,
    ignored: ReadonlySet<string> | undefined,
    describing: Describing,
  ) {
    const description = isRequest(asked) ? undefined : (asked as RequestDescription)
    const request = (description === undefined ? asked : describing.request(description)) as Request
    const response = request.res ?? new ServerResponse(request)
    super(request, response, () => {}, ignored)
    this.#description = description
    this.#describing = describing
  }

  override readContent(limit: number): RequestContent | Promise<RequestContent> {
    const description = this.#description
    return description === undefined ? super.readContent(limit) : this.#describing.content(description, limit)
  }
}

function isRequest(asked: IncomingMessage | RequestDescription): asked is IncomingMessage {
  return 'socket' in asked
}
