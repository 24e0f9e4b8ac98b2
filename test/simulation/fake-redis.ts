import { createHash } from 'node:crypto'
import { ErrorReply, Keyspace, type Reply } from './keyspace.js'
import { luaMachine } from './lua-machine.js'
import { epoch, type Scheduler } from './scheduler.js'

/** A Redis server that exists in virtual time only, and does what a test tells it to. */
export class FakeRedis {
  readonly #scheduler: Scheduler
  #keyspace = new Keyspace()
  #scripts = new Map<string, string>()
  #life = 1
  #run = 1
  #isUp = true
  #skew = 0
  #isFull = false
  /** Called with every record that enters a stream. */
  onAppend: (fields: readonly Buffer[]) => void = () => {}
  /** Called with every text that is set. */
  onSet: (name: string, data: Buffer) => void = () => {}
  /** Called with all names of each deletion. */
  onDelete: (names: readonly string[]) => void = () => {}
  /** Whether clients may use INFO, which names the run of the server. */
  permitsInfo = true
  /** Commands this server was asked for and does not know: the test would lie. */
  readonly unknown = new Set<string>()

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Which run of the server this is; connections end with it. */
  get life(): number {
    return this.#life
  }

  /** What INFO calls this run. */
  get runName(): string {
    return `run${this.#run}`
  }

  /** Carries out a command at once. @throws ErrorReply */
  execute([name = Buffer.alloc(0), ...args]: readonly Buffer[]): Reply {
    const word = name.toString().toUpperCase()
    if (this.#isFull && mayGrow.has(word)) throw outOfMemory()
    if (word === 'EVALSHA') return this.#runScript(this.#scripts.get(String(args[0])), args)
    if (word === 'EVAL') {
      const source = String(args[0])
      this.#scripts.set(createHash('sha1').update(source).digest('hex'), source)
      return this.#runScript(source, args)
    }
    return this.#simple(word, args)
  }

  /** The data as a replica has it at this moment, or a dump. */
  snapshot(): Keyspace {
    return this.#keyspace.copy()
  }

  stop(): void {
    this.#isUp = false
  }

  /** Another run of the server, or another server in its place. @param skew - ms by which its clock is wrong */
  start(keyspace: Keyspace, skew: number): void {
    this.#isUp = true
    this.#life++
    this.#run++
    this.#keyspace = keyspace
    this.#scripts = new Map()
    this.#skew = skew
    this.#isFull = false
  }

  /** Another server takes its place, and no connection notices, as behind a cluster client. */
  replace(keyspace: Keyspace, skew: number): void {
    this.#keyspace = keyspace
    this.#run++
    this.#skew = skew
  }

  /** Its clock is set. @param skew - ms by which it is wrong from now on */
  setClock(skew: number): void {
    this.#skew = skew
  }

  /** A key has expired. */
  forget(key: string): void {
    if (this.#isUp) this.#simple('DEL', [Buffer.from(key)])
  }

  forgetScripts(): void {
    this.#scripts.clear()
  }

  /** Out of memory: refuses what may need more, as with the policy `noeviction`. */
  setFull(isFull: boolean): void {
    this.#isFull = isFull
  }

  keys(): string[] {
    return this.#keyspace.keys()
  }

  #simple(word: string, args: readonly Buffer[]): Reply {
    const now = epoch + this.#scheduler.now + this.#skew
    if (word === 'TIME') {
      const microseconds = Math.floor((now % 1000) * 1000)
      return [Buffer.from(String(Math.floor(now / 1000))), Buffer.from(String(microseconds))]
    }
    if (word === 'INFO' && !this.permitsInfo) throw new ErrorReply("NOPERM User app has no permissions to run 'info'")
    if (word === 'INFO' && String(args[0]) === 'memory') return Buffer.from('# Memory\r\nmaxmemory:0\r\n')
    if (word === 'INFO') return Buffer.from(`# Server\r\nredis_version:7.0.15\r\nrun_id:${this.runName}\r\n`)
    if (word === 'XADD') this.onAppend(args)
    if (word === 'DEL') this.onDelete(args.map(String))
    if (word === 'SET') this.onSet(String(args[0]), args[1] ?? Buffer.alloc(0))
    try {
      return this.#keyspace.execute(word, args, now)
    } catch (error) {
      if (error instanceof ErrorReply && error.message.startsWith('ERR unknown command')) this.unknown.add(word)
      throw error
    }
  }

  #runScript(source: string | undefined, [, count, ...rest]: readonly Buffer[]): Reply {
    if (source === undefined) throw new ErrorReply('NOSCRIPT No matching script. Please use EVAL.')
    const keys = rest.slice(0, Number(count))
    let hasWritten = false
    const call = ([name, ...args]: readonly Buffer[]): Reply => {
      const word = String(name).toUpperCase()
      // A script that has written something may write the rest, too.
      if (this.#isFull && !hasWritten && mayGrow.has(word)) throw outOfMemory()
      hasWritten ||= !onlyReads.has(word)
      return this.#simple(word, args)
    }
    return luaMachine.run(source, keys, rest.slice(keys.length), call)
  }
}

const mayGrow: ReadonlySet<string> = new Set(['SET', 'SETRANGE', 'XADD', 'ZADD'])

/** Commands of scripts that change nothing. */
const onlyReads: ReadonlySet<string> = new Set(
  'GET GETRANGE EXISTS TIME INFO PTTL XRANGE XREVRANGE ZSCORE ZCARD ZRANGEBYSCORE'.split(' '),
)

function outOfMemory(): ErrorReply {
  return new ErrorReply("OOM command not allowed when used memory > 'maxmemory'.")
}
