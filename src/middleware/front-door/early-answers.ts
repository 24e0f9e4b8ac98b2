import { channel } from 'node:diagnostics_channel'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Reply } from '../../http/port/index.js'
import { MadeResponses } from '../node-internals/made-responses.js'
import { METHODS_OF_NODE } from '../node-internals/node-methods.js'
import { preparedAnswer } from '../node-internals/prepared-head.js'
import { NoConnection, trialReply } from '../node-internals/response-trial.js'
import type { Unopened } from './front-exchange.js'

/** What of a connection has no public name. */
interface Connection extends Socket {
  readonly parser?: Parser | null
  readonly _httpMessage?: object | null
  readonly _paused?: boolean
}

/** What reads requests from a connection. */
interface Parser {
  /** Told of a request once its head is read. */
  onIncoming: OnIncoming
  /** The request that gets what is read next; `null`: none, it is dropped. */
  incoming: IncomingMessage | null
}

type OnIncoming = (request: IncomingMessage, keepAlive: boolean) => number

/** @returns whether the request has been answered, or has its response now; else it goes the ordinary way */
export type TakeEarly = (request: IncomingMessage, unopened: Unopened) => boolean

/**
 * Lets a server's requests be taken before node makes a response for them. What is answered then has none: nobody could
 * have seen it, for where anybody might, the request goes the ordinary way.
 *
 * @returns what the server's listener has to show every response to
 */
export function answerEarly(server: Server, listener: RequestListener, take: TakeEarly): MadeResponses {
  const responses = new MadeResponses()
  isSupported ??= check()
  if (!isSupported) return responses
  const onConnection = (socket: Connection): void => watch(socket, server, listener, responses, take)
  server.on('connection', onConnection)
  // With TLS, a connection is one of HTTP only then.
  server.on('secureConnection', onConnection)
  return responses
}

let isSupported: boolean | undefined

function watch(
  socket: Connection,
  server: Server,
  listener: RequestListener,
  responses: MadeResponses,
  take: TakeEarly,
): void {
  const { parser } = socket
  if (typeof parser?.onIncoming !== 'function' || parser.incoming !== null) return
  const connection = new EarlyAnswers(server, listener, responses, socket, parser, take)
  parser.onIncoming = (request, keepAlive) => connection.incoming(request, keepAlive)
}

/** One connection, and the request on it that has no response yet. */
class EarlyAnswers implements Unopened {
  readonly #server: Server
  readonly #listener: RequestListener
  readonly #responses: MadeResponses
  readonly #socket: Connection
  readonly #parser: Parser
  readonly #take: TakeEarly
  readonly #ordinary: OnIncoming
  #request: IncomingMessage | undefined
  /** What the ordinary way has told the parser. */
  #verdict = 0
  /** Whether it waits for the next request, and so only as long as node lets it wait. */
  #isIdle = false

  constructor(
    server: Server,
    listener: RequestListener,
    responses: MadeResponses,
    socket: Connection,
    parser: Parser,
    take: TakeEarly,
  ) {
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
    this.#verdict = 0
    if (this.#take(request, this)) return this.#verdict
    this.#request = undefined
    return this.#pass(request, keepAlive)
  }

  answer(reply: Reply, poweredBy: string | undefined): boolean {
    if (this.#request === undefined) return false
    const bytes = preparedAnswer(reply, this.#request.method, this.#server, poweredBy)
    if (bytes === undefined) return false
    this.#request = undefined
    // Nobody reads what would follow: it has no body.
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
      this.#verdict = this.#pass(request, true)
    })
  }

  /** Whether nothing stands before an answer to this request on its connection, and node would do nothing but have it answered. */
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

  /** As node does when a response is finished: not before the last byte is on its way. */
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
    // A connection may be any stream.
    if (!isDuration(keepAliveTimeout) || keepAliveTimeout === 0 || typeof this.#socket.setTimeout !== 'function') return
    const most = keepAliveTimeout + (isDuration(keepAliveTimeoutBuffer) ? keepAliveTimeoutBuffer : 1000)
    // Whatever comes or goes over a socket has it start anew by itself.
    if (this.#socket.timeout !== most) this.#socket.setTimeout(most)
    this.#isIdle = true
  }
}

/** Whether somebody could be told of requests or responses, beside the one listener, or counts the requests of a connection. */
function isWatched(server: Server, listener: RequestListener): boolean {
  const { maxRequestsPerSocket } = server
  const listeners = server.listeners('request')
  return (
    // What is around ours may answer by itself, or know who it is.
    listeners.length !== 1 ||
    listeners[0] !== listener ||
    server.emit !== emit ||
    (typeof maxRequestsPerSocket === 'number' && maxRequestsPerSocket > 0) ||
    CHANNELS.some(({ hasSubscribers }) => hasSubscribers)
  )
}

const { emit } = METHODS_OF_NODE

/** What node publishes of each request. */
const CHANNELS = [
  channel('http.server.request.start'),
  channel('http.server.response.created'),
  channel('http.server.response.finish'),
] as const

function isDuration(value: number | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

/** Whether this node reads on after an answer that had no response, and what is asked for next goes the ordinary way. */
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
  const connect = (...urls: string[]): string => {
    const connection = new NoConnection()
    server.emit('connection', connection)
    watch(connection as unknown as Connection, server, listener, responses, ({ url }, unopened) => {
      return url === '/early' && unopened.answer(reply, 'trial')
    })
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
