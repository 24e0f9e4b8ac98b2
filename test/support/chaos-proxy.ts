import { connect, createServer, type Server, type Socket } from 'node:net'

/** `'up'` is from the client to the server, `'down'` from the server to the client. */
export type Direction = 'up' | 'down'

/** What happens to a chunk of bytes: it goes on, waits until {@link ChaosProxy.restore}, vanishes, or takes the connection with it. */
export type Verdict = 'pass' | 'hold' | 'drop' | 'reset'

interface Target {
  readonly host?: string
  readonly port: number
}

/**
 * A TCP proxy in front of a server, with faults that are switched while connections run through it.
 * Without faults it passes bytes on unchanged.
 */
export class ChaosProxy {
  /** The port that clients connect to; it stays the same for the life of the proxy. */
  readonly port: number
  /** Connections accepted since the start, also those that a fault then closed. */
  accepted = 0
  /** Bytes passed on, by direction. */
  readonly bytes: Record<Direction, number> = { up: 0, down: 0 }

  readonly #links = new Set<Link>()
  #server: Server | undefined
  #target: Target
  #faults: Faults = NO_FAULTS
  #resetTimer: NodeJS.Timeout | undefined

  /** Starts a proxy on a free port of 127.0.0.1. */
  static async start(target: Target): Promise<ChaosProxy> {
    const server = await listen(0)
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
    return new ChaosProxy(server, address.port, target)
  }

  private constructor(server: Server, port: number, target: Target) {
    this.port = port
    this.#target = target
    this.#serve(server)
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#links.size
  }

  /** Delays every chunk, by direction, in milliseconds. */
  delay(latency: { readonly up?: number; readonly down?: number }): void {
    this.#change({ latency: { up: latency.up ?? 0, down: latency.down ?? 0 } })
  }

  /** Passes on so many bytes a second of each connection and direction, as a slow link does. */
  limitRate(bytesPerSecond: number): void {
    this.#change({ rate: bytesPerSecond })
  }

  /** Accepts connections and bytes, and passes none on until {@link restore}; then they all arrive. */
  hold(): void {
    this.filter(() => 'hold')
  }

  /** Commands reach the server, their replies never reach the client. {@link restore} resets those connections. */
  dropReplies(): void {
    this.filter((direction) => (direction === 'down' ? 'drop' : 'pass'))
  }

  /** Sends each client a reply that nothing asked for, once the reply on its way has ended. */
  addReply(reply: string): void {
    for (const link of this.#links) link.surplus = reply
  }

  /** The next replies to each client go missing, those of one chunk; those after them come as ever. */
  loseReply(): void {
    for (const link of this.#links) link.isLosing = true
  }

  /** Asks `judge` about every chunk, on old and new connections. */
  filter(judge: (direction: Direction, chunk: Buffer, connection: number) => Verdict): void {
    this.#change({ judge })
  }

  /** Resets every open connection (RST), once. */
  reset(): void {
    for (const link of [...this.#links]) link.reset()
  }

  /** Resets every open connection every so many milliseconds. */
  resetEvery(milliseconds: number): void {
    clearInterval(this.#resetTimer)
    this.#resetTimer = setInterval(() => this.reset(), milliseconds)
    this.#resetTimer.unref()
  }

  /** Resets every connection and closes the listener: new connections are refused. */
  async refuse(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    this.reset()
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()))
  }

  /** Ends open connections and closes new ones right after accepting them, as a load balancer with a dead backend does. */
  acceptThenClose(): void {
    this.#change({ closeOnAccept: true })
    for (const link of [...this.#links]) link.end()
  }

  /** Sends FIN to every client and goes on reading from it. */
  halfClose(): void {
    for (const link of this.#links) link.halfClose()
  }

  /** Resets each connection once it has carried so many further bytes of replies. */
  cutAfter(bytes: number): void {
    this.#change({ cutAfter: bytes })
    for (const link of this.#links) link.down = 0
  }

  /** Sends new connections to another server; open ones stay. */
  retarget(target: Target): void {
    this.#target = target
  }

  /** Ends every fault; held bytes are delivered, connections that lost bytes are reset. */
  async restore(): Promise<void> {
    clearInterval(this.#resetTimer)
    this.#faults = NO_FAULTS
    if (!this.#server) this.#serve(await listen(this.port))
    for (const link of [...this.#links]) link.restore()
  }

  /** Closes the listener and all connections. */
  async close(): Promise<void> {
    clearInterval(this.#resetTimer)
    await this.refuse()
  }

  #change(faults: Partial<Faults>): void {
    this.#faults = { ...this.#faults, ...faults }
  }

  #serve(server: Server): void {
    this.#server = server
    server.on('connection', (client) => {
      this.accepted++
      client.on('error', () => {})
      if (this.#faults.closeOnAccept) {
        client.end()
        client.resume()
        return
      }
      const link = new Link(client, this.#target, this.accepted, () => this.#faults, this.bytes)
      this.#links.add(link)
      link.onClose = () => this.#links.delete(link)
    })
  }
}

/** A chunk that is shorter, and ends as a reply does, is one or more whole replies; bytes. */
const MOST_AT_ONCE = 8_192

interface Faults {
  readonly latency: Readonly<Record<Direction, number>>
  readonly judge: ((direction: Direction, chunk: Buffer, connection: number) => Verdict) | undefined
  readonly closeOnAccept: boolean
  readonly cutAfter: number
  /** Bytes a second. */
  readonly rate: number
}

const NO_FAULTS: Faults = {
  latency: { up: 0, down: 0 },
  judge: undefined,
  closeOnAccept: false,
  cutAfter: Number.POSITIVE_INFINITY,
  rate: Number.POSITIVE_INFINITY,
}

/** One client connection and its counterpart at the server. */
class Link {
  onClose: () => void = () => {}
  /** Bytes of replies carried since the last `cutAfter`. */
  down = 0
  /** Sent after the next chunk that ends as a reply does. */
  surplus = ''
  /** Whether the next chunk of whole replies is dropped. */
  isLosing = false
  readonly #client: Socket
  readonly #server: Socket
  readonly #held: [Direction, Buffer][] = []
  readonly #faults: () => Faults
  readonly #bytes: Record<Direction, number>
  readonly #id: number
  readonly #delayed: Record<Direction, [number, Buffer][]> = { up: [], down: [] }
  /** When what was sent before will have gone over a slow link; monotonic ms. */
  readonly #freeAt: Record<Direction, number> = { up: 0, down: 0 }
  #lossy = false
  #closed = false

  constructor(client: Socket, target: Target, id: number, faults: () => Faults, bytes: Record<Direction, number>) {
    this.#client = client
    this.#id = id
    this.#faults = faults
    this.#bytes = bytes
    this.#server = connect({ host: target.host ?? '127.0.0.1', port: target.port, noDelay: true })
    client.setNoDelay(true)
    client.on('data', (chunk) => this.#arrive('up', chunk))
    this.#server.on('data', (chunk) => this.#arrive('down', chunk))
    this.#server.on('error', () => this.reset())
    client.on('error', () => this.#close())
    client.on('close', () => this.#close())
    client.on('end', () => this.#server.end())
    this.#server.on('end', () => this.#client.end())
    this.#server.on('close', () => this.#close())
  }

  reset(): void {
    if (!this.#client.destroyed) this.#client.resetAndDestroy()
    this.#close()
  }

  end(): void {
    this.#client.end()
    this.#server.destroy()
  }

  halfClose(): void {
    this.#client.end()
  }

  restore(): void {
    if (this.#lossy) {
      this.reset()
      return
    }
    for (const [direction, chunk] of this.#held.splice(0)) this.#send(direction, chunk)
  }

  #arrive(direction: Direction, chunk: Buffer): void {
    const { judge, cutAfter, latency, rate } = this.#faults()
    if (direction === 'down') {
      this.down += chunk.length
      if (this.down > cutAfter) {
        const keep = chunk.length - (this.down - cutAfter)
        if (keep > 0) this.#client.write(chunk.subarray(0, keep), () => this.reset())
        else this.reset()
        return
      }
    }
    const verdict = this.#held.some(([held]) => held === direction)
      ? 'hold'
      : (judge?.(direction, chunk, this.#id) ?? 'pass')
    if (verdict === 'reset') this.reset()
    else if (verdict === 'drop') this.#lossy = true
    else if (verdict === 'hold') this.#held.push([direction, chunk])
    else this.#sendLater(direction, chunk, latency[direction] + this.#transmission(direction, chunk.length, rate))
  }

  /** How long it takes until a chunk has gone over a link of that rate, behind what was sent before; ms. */
  #transmission(direction: Direction, length: number, rate: number): number {
    if (rate === Number.POSITIVE_INFINITY) return 0
    const now = performance.now()
    this.#freeAt[direction] = Math.max(now, this.#freeAt[direction]) + (length / rate) * 1000
    return this.#freeAt[direction] - now
  }

  /** Keeps the order of chunks also when the latency is turned down while some are on their way. */
  #sendLater(direction: Direction, chunk: Buffer, latency: number): void {
    const queue = this.#delayed[direction]
    if (latency === 0 && queue.length === 0) {
      this.#send(direction, chunk)
      return
    }
    queue.push([performance.now() + latency, chunk])
    setTimeout(() => this.#sendDue(direction), latency).unref()
  }

  #sendDue(direction: Direction): void {
    const queue = this.#delayed[direction]
    for (let first = queue[0]; first !== undefined && first[0] <= performance.now() + 1; first = queue[0]) {
      queue.shift()
      this.#send(direction, first[1])
    }
    const next = queue[0]
    if (next) setTimeout(() => this.#sendDue(direction), next[0] - performance.now()).unref()
  }

  #send(direction: Direction, chunk: Buffer): void {
    const socket = direction === 'up' ? this.#server : this.#client
    if (socket.destroyed || !socket.writable) return
    this.#bytes[direction] += chunk.length
    if (direction === 'down' && chunk.length < MOST_AT_ONCE && chunk.subarray(-2).toString() === '\r\n')
      this.#sendReplies(chunk)
    else socket.write(chunk)
  }

  #sendReplies(chunk: Buffer): void {
    if (!this.isLosing) this.#client.write(chunk)
    if (this.surplus !== '') this.#client.write(this.surplus)
    this.isLosing = false
    this.surplus = ''
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#client.destroy()
    this.#server.destroy()
    this.onClose()
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer({ noDelay: true, allowHalfOpen: false })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return server
}
