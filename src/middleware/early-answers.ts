import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Reply } from '../http/exchange.js'
import type { Unopened } from './front-exchange.js'
import { preparedAnswer, sendPrepared } from './prepared-head.js'
import { NoConnection, ResponseTrial, trialReply } from './response-trial.js'

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

/** @returns whether the request has been taken; else it goes the ordinary way */
export type TakeEarly = (request: IncomingMessage, unopened: Unopened) => boolean

/**
 * Lets a server's requests be taken before node makes a response for them. What is answered then has none: nobody could
 * have seen it, for where anybody might, the request goes the ordinary way.
 */
export function answerEarly(server: Server, take: TakeEarly): void {
  isSupported ??= check()
  if (!isSupported) return
  const onConnection = (socket: Connection): void => watch(socket, server, take)
  server.on('connection', onConnection)
  // With TLS, a connection is one of HTTP only then.
  server.on('secureConnection', onConnection)
}

let isSupported: boolean | undefined

function watch(socket: Connection, server: Server, take: TakeEarly): void {
  const { parser } = socket
  if (typeof parser?.onIncoming !== 'function' || parser.incoming !== null) return
  const connection = new EarlyAnswers(server, socket, parser, take)
  parser.onIncoming = (request, keepAlive) => connection.incoming(request, keepAlive)
}

/** Hands the response that node has made to the request that was taken before. @returns false when it is not one of those */
export function handOver(request: IncomingMessage, response: ServerResponse): boolean {
  if (opening?.request !== request) return false
  opening.response = response
  return true
}

/** The request whose response is being made. */
let opening: Opening | undefined

/** One connection, and the request on it that has no response yet. */
class EarlyAnswers implements Unopened {
  readonly #server: Server
  readonly #socket: Connection
  readonly #parser: Parser
  readonly #take: TakeEarly
  readonly #ordinary: OnIncoming
  #request: IncomingMessage | undefined
  /** What the ordinary way has told the parser. */
  #verdict = 0
  /** Whether it waits for the next request, and so only as long as node lets it wait. */
  #isIdle = false

  constructor(server: Server, socket: Connection, parser: Parser, take: TakeEarly) {
    this.#server = server
    this.#socket = socket
    this.#parser = parser
    this.#take = take
    this.#ordinary = parser.onIncoming
  }

  incoming(request: IncomingMessage, keepAlive: boolean): number {
    if (!keepAlive || !this.#isFree(request) || isWatched(this.#server)) return this.#pass(request, keepAlive)
    this.#request = request
    this.#verdict = 0
    const isTaken = this.#take(request, this)
    if (this.#request === undefined) return this.#verdict
    if (!isTaken) return this.#pass(request, keepAlive)
    // It is going to be answered later, and needs a response that has its place in the queue.
    this.open()
    return this.#verdict
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

  open(): ServerResponse {
    const request = this.#request
    if (request === undefined) throw new Error('the request has been answered')
    this.#request = undefined
    const made: Opening = { request, response: undefined }
    opening = made
    try {
      this.#verdict = this.#pass(request, true)
    } finally {
      opening = undefined
    }
    // Node would have answered by itself.
    return made.response ?? new ServerResponse(request)
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

  /** As node does when a response is finished. */
  #awaitNext(): void {
    const socket = this.#socket
    if (socket.writableLength === 0) {
      this.#limitIdleness()
      return
    }
    socket.write('', 'latin1', () => {
      const isBusy = socket._httpMessage !== undefined && socket._httpMessage !== null
      if (!isBusy && !socket.destroyed) this.#limitIdleness()
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

interface Opening {
  readonly request: IncomingMessage
  response: ServerResponse | undefined
}

/** Whether somebody could be told of requests or responses, beside the one listener, or counts the requests of a connection. */
function isWatched(server: Server): boolean {
  const { maxRequestsPerSocket } = server
  return (
    server.listenerCount('request') !== 1 ||
    server.emit !== emit ||
    (typeof maxRequestsPerSocket === 'number' && maxRequestsPerSocket > 0) ||
    CHANNELS.some(({ hasSubscribers }) => hasSubscribers)
  )
}

const { emit } = EventEmitter.prototype

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
  const { response } = new ResponseTrial('GET', 0)
  const asked: string[] = []
  const server = createServer({ keepAliveTimeout: 5000 }, ({ url = '' }, ordinary) => {
    asked.push(url)
    ordinary.sendDate = false
    ordinary.end('ordinary')
  })
  const connection = new NoConnection()
  try {
    if (!sendPrepared(response, reply, 'trial')) return false
    server.emit('connection', connection)
    watch(connection as unknown as Connection, server, ({ url }, unopened) => {
      return url === '/early' && unopened.answer(reply, 'trial')
    })
    for (const url of ['/early', '/early', '/ordinary']) {
      connection.emit('data', Buffer.from(`GET ${url} HTTP/1.1\r\nHost: trial\r\n\r\n`))
    }
    const prepared = String(preparedAnswer(reply, 'GET', server, 'trial'))
    const written = connection.written.toString('latin1')
    return (
      asked.join() === '/ordinary' && written.startsWith(prepared.repeat(2)) && written.endsWith('\r\n\r\nordinary')
    )
  } catch {
    return false
  } finally {
    connection.destroy()
  }
}
