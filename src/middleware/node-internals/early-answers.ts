import { channel } from 'node:diagnostics_channel'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Reply } from '../../http/port/index.js'
import { MadeResponses } from './made-responses.js'
import { METHODS_OF_NODE } from './node-methods.js'
import { preparedAnswer } from './prepared-head.js'
import { NoConnection, trialReply } from './response-trial.js'

/** Private properties of a socket that are used here. */
interface Connection extends Socket {
  readonly parser?: Parser | null
  readonly _httpMessage?: object | null
  readonly _paused?: boolean
}

/** Node.js's HTTP parser of a connection. */
interface Parser {
  /** Called when the head of a request was parsed. */
  onIncoming: OnIncoming
  /** The request that receives the parsed body; `null` to discard it. */
  incoming: IncomingMessage | null
}

type OnIncoming = (request: IncomingMessage, keepAlive: boolean) => number

/** A request for which Node.js has not created a response object yet. */
export interface Unopened {
  /**
   * Answers the request without a response object.
   *
   * @returns false if a response object is needed; nothing was done then
   */
  answer(reply: Reply, poweredBy: string | undefined): boolean
  /** Makes Node.js create the response object and continue normally; `undefined` if other code answers the request. */
  open(): ServerResponse | undefined
}

/** @returns whether the request was answered or now has a response object; otherwise it takes the normal path */
export type TakeEarly = (request: IncomingMessage, unopened: Unopened) => boolean

/**
 * Lets a server answer requests before Node.js creates a response object. Such an answer has no response object; if any
 * code could observe one, the request takes the normal path.
 *
 * @returns the observer to which the server's listener must pass every response
 */
export function answerEarly(server: Server, listener: RequestListener, take: TakeEarly): MadeResponses {
  const responses = new MadeResponses()
  // Subscribers, such as a tracer, would see the requests of the self-test as traffic; early answers are off for them.
  if (CHANNELS.some(({ hasSubscribers }) => hasSubscribers)) return responses
  isSupported ??= check()
  if (!isSupported) return responses
  const onConnection = (socket: Connection): void => watch(socket, { server, listener, responses, take })
  server.on('connection', onConnection)
  // With TLS, HTTP parsing only starts after the handshake.
  server.on('secureConnection', onConnection)
  return responses
}

let isSupported: boolean | undefined

/** A server whose requests may be answered early. */
interface EarlyServer {
  readonly server: Server
  readonly listener: RequestListener
  readonly responses: MadeResponses
  readonly take: TakeEarly
}

function watch(socket: Connection, of: EarlyServer): void {
  const { parser } = socket
  if (typeof parser?.onIncoming !== 'function' || parser.incoming !== null) return
  const connection = new EarlyAnswers(socket, parser, of)
  parser.onIncoming = (request, keepAlive) => connection.incoming(request, keepAlive)
}

/** One connection, with the request on it that has no response object yet. */
class EarlyAnswers implements Unopened {
  readonly #server: Server
  readonly #listener: RequestListener
  readonly #responses: MadeResponses
  readonly #socket: Connection
  readonly #parser: Parser
  readonly #take: TakeEarly
  readonly #ordinary: OnIncoming
  #request: IncomingMessage | undefined
  /** The return value of the normal path, for the parser. */
  #result = 0
  /** True while the connection is idle with the keep-alive timeout as its socket timeout. */
  #isIdle = false

  constructor(socket: Connection, parser: Parser, { server, listener, responses, take }: EarlyServer) {
    this.#server = server
    this.#listener = listener
    this.#responses = responses
    this.#socket = socket
    this.#parser = parser
    this.#take = take
    this.#ordinary = parser.onIncoming
  }

  incoming(request: IncomingMessage, keepAlive: boolean): number {
    if (!keepAlive || !this.#responses.areOfNode || !this.#isFree(request) || isWatched(this.#server, this.#listener)) {
      return this.#pass(request, keepAlive)
    }
    this.#request = request
    this.#result = 0
    if (this.#take(request, this)) return this.#result
    this.#request = undefined
    return this.#pass(request, keepAlive)
  }

  answer(reply: Reply, poweredBy: string | undefined): boolean {
    if (this.#request === undefined) return false
    const bytes = preparedAnswer(reply, this.#request.method, this.#server, poweredBy)
    if (bytes === undefined) return false
    this.#request = undefined
    // The request has no body, so nothing has to be read for it.
    this.#parser.incoming = null
    if (typeof bytes === 'string') this.#socket.write(bytes, 'latin1')
    else this.#socket.write(bytes)
    this.#awaitNext()
    return true
  }

  open(): ServerResponse | undefined {
    const request = this.#request
    if (request === undefined) throw new Error('the request has been answered')
    this.#request = undefined
    return this.#responses.of(request, () => {
      this.#result = this.#pass(request, true)
    })
  }

  /**
   * Whether no earlier response is pending on the connection, and Node.js would only pass this request to the listener.
   */
  #isFree({ httpVersionMajor, httpVersionMinor, upgrade }: IncomingMessage & { readonly upgrade?: unknown }): boolean {
    const socket = this.#socket
    return (
      httpVersionMajor === 1 &&
      httpVersionMinor === 1 &&
      !upgrade &&
      (socket._httpMessage === undefined || socket._httpMessage === null) &&
      socket._paused === false &&
      !socket.writableNeedDrain &&
      socket.writable
    )
  }

  #pass(request: IncomingMessage, keepAlive: boolean): number {
    if (this.#isIdle) {
      this.#isIdle = false
      this.#socket.setTimeout(this.#server.timeout || 0)
    }
    return this.#ordinary(request, keepAlive)
  }

  /** Starts the keep-alive timeout after the last byte was written, as Node.js does when a response finishes. */
  #awaitNext(): void {
    const socket = this.#socket
    if (socket.writableLength === 0) {
      this.#limitIdleness()
      return
    }
    this.#isIdle = false
    socket.setTimeout?.(this.#server.timeout || 0)
    socket.write('', 'latin1', () => {
      const isBusy = socket._httpMessage !== undefined && socket._httpMessage !== null
      if (!isBusy && socket.writableLength === 0 && !socket.destroyed) this.#limitIdleness()
    })
  }

  #limitIdleness(): void {
    const { keepAliveTimeout } = this.#server
    const { keepAliveTimeoutBuffer } = this.#server as { readonly keepAliveTimeoutBuffer?: number }
    // The connection may be any stream, without setTimeout.
    if (!isDuration(keepAliveTimeout) || keepAliveTimeout === 0 || typeof this.#socket.setTimeout !== 'function') return
    const most = keepAliveTimeout + (isDuration(keepAliveTimeoutBuffer) ? keepAliveTimeoutBuffer : 1000)
    // Activity on the socket restarts its timeout; only a different duration has to be set.
    if (this.#socket.timeout !== most) this.#socket.setTimeout(most)
    this.#isIdle = true
  }
}

/**
 * Whether other code could observe requests or responses: another listener, a patched `emit`, a diagnostics channel or
 * a request limit.
 */
function isWatched(server: Server, listener: RequestListener): boolean {
  const { maxRequestsPerSocket } = server
  const listeners = server.listeners('request')
  return (
    // A listener that wraps ours may answer the request itself, or authenticate the user.
    listeners.length !== 1 ||
    listeners[0] !== listener ||
    server.emit !== emit ||
    (typeof maxRequestsPerSocket === 'number' && maxRequestsPerSocket > 0) ||
    CHANNELS.some(({ hasSubscribers }) => hasSubscribers)
  )
}

const { emit } = METHODS_OF_NODE

/** The diagnostics channels that Node.js publishes for each request. */
const CHANNELS = [
  channel('http.server.request.start'),
  channel('http.server.response.created'),
  channel('http.server.response.finish'),
] as const

function isDuration(value: number | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

/**
 * Self-test: whether this Node.js version keeps reading after an answer without a response object, and handles the next
 * request normally.
 */
function check(): boolean {
  const reply = trialReply(200, Buffer.from('text'), 4)
  const responses = new MadeResponses()
  const asked: string[] = []
  const listener: RequestListener = (request, response) => {
    responses.see(request, response)
    asked.push(request.url ?? '')
    response.sendDate = false
    response.end('ordinary')
  }
  const server = createServer({ keepAliveTimeout: 5000 }, listener)
  // Tracers patch the method of all servers: the requests of the self-test are not traffic.
  server.emit = emit
  const connect = (...urls: string[]): string => {
    const connection = new NoConnection()
    server.emit('connection', connection)
    const take: TakeEarly = ({ url }, unopened) => url === '/early' && unopened.answer(reply, 'trial')
    watch(connection as unknown as Connection, { server, listener, responses, take })
    for (const url of urls) connection.emit('data', Buffer.from(`GET ${url} HTTP/1.1\r\nHost: trial\r\n\r\n`))
    connection.destroy()
    return connection.written.toString('latin1')
  }
  try {
    const ordinary = connect('/first')
    const prepared = String(preparedAnswer(reply, 'GET', server, 'trial'))
    const written = connect('/early', '/early', '/ordinary')
    return asked.join() === '/first,/ordinary' && written === prepared + prepared + ordinary
  } catch {
    return false
  }
}
