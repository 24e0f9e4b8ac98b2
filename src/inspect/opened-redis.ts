import type { ConnectionOptions } from 'node:tls'
import { parseCover } from '../core/coherence/cover.js'
import { type Head, readHead } from '../core/coherence/head.js'
import type { InspectedRedis } from '../core/coherence/inspected-tiers.js'
import { Mirror } from '../core/coherence/mirror.js'
import { ownName } from '../core/coherence/names.js'
import { RetiredKeys } from '../core/coherence/retired-keys.js'
import { CacheError } from '../core/errors.js'
import { readCoreOptions } from '../core/options.js'
import { bareError } from '../core/tiers/bare-error.js'
import { loadIoredis } from '../core/tiers/load-ioredis.js'
import { openPort } from '../core/tiers/open-port.js'
import type { IoredisLike, RedisArgument, RedisPort } from '../core/tiers/redis-client.js'
import { readRedisUrl } from '../core/tiers/redis-url.js'
import { passOtherType } from './redis-entries.js'

/** A Redis that is looked at from outside of an application. */
export interface RedisTarget {
  /** A URL, as the option `redis` takes it. */
  readonly url: string
  readonly keyPrefix: string
  readonly tls: ConnectionOptions | undefined
  /** Whether the URL names a node of a Redis Cluster. */
  readonly isCluster: boolean
  /** Time for the connection, and for each command, in ms. */
  readonly timeout: number
}

/** A client of a Redis Cluster, of which the URL names one node; its owner ends it. */
export interface OpenedCluster extends IoredisLike {
  quit(): Promise<unknown>
}

/** What is left of the log: its head, and the invalidations that are still known. */
export interface Standing {
  /** `undefined` if no application uses this prefix yet. */
  readonly head: Head | undefined
  readonly mirror: Mirror
}

/** Bytes of invalidations that are kept: more than the marks in Redis can take. */
const MARKS_BYTES = 64 * 1024 * 1024
const MARKS_AT_ONCE = 500

/** A connection for looking at a Redis: it writes nothing, and each command has a deadline. */
export class OpenedRedis {
  readonly port: RedisPort
  readonly keyPrefix: string
  readonly #timeout: number
  readonly #end: () => void
  #lastError: Error | undefined

  /** @throws CacheError if there is no connection in time; TypeError for a target that cannot be used */
  static async open(target: RedisTarget): Promise<OpenedRedis> {
    const { url, tls, keyPrefix, isCluster } = target
    const settings = readCoreOptions({ redis: url, tls, keyPrefix })
    const cluster = isCluster ? await openCluster(target) : undefined
    const opened = new OpenedRedis(openPort(cluster ?? url, settings), target, () => cluster?.disconnect())
    try {
      // Sentinels and nodes of a cluster are asked one after the other: the first error is not the last word.
      await opened.#connect(isCluster || readRedisUrl(url).master !== undefined)
      await opened.run(() => opened.port.selectDatabase())
      return opened
    } catch (thrown) {
      await opened.close()
      throw thrown
    }
  }

  private constructor(port: RedisPort, { keyPrefix, timeout }: RedisTarget, end: () => void) {
    this.port = port
    this.keyPrefix = keyPrefix
    this.#timeout = timeout
    this.#end = end
  }

  /** Runs commands within the deadline. @throws CacheError, with a message that shows no credentials */
  async run<T>(operation: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(this.#isLate('answer')), this.#timeout)
    })
    try {
      return await Promise.race([operation(), late])
    } catch (thrown) {
      if (thrown instanceof CacheError) throw thrown
      const error = bareError(thrown)
      throw new CacheError('redis-reply', error.message, error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Sends one command. @param key - determines the node in a cluster */
  send(key: string, command: readonly [string, ...RedisArgument[]]): Promise<unknown> {
    return this.run(() => this.port.send(key, command))
  }

  /** The name of one of the library's own keys. */
  ownName(what: 'head' | 'log' | 'marks' | 'owner'): string {
    return ownName(this.keyPrefix, what)
  }

  /** Reads the head of the log and the marks. @throws CacheError `log-version` for a log of another protocol */
  async standing(): Promise<Standing> {
    const mirror = new Mirror(MARKS_BYTES, new RetiredKeys(() => performance.now(), 0))
    const name = this.ownName('head')
    const text = await this.send(name, ['GET', name]).catch(passOtherType)
    if (text === null || text === undefined) return { head: undefined, mirror }
    const head = readHead(String(text))
    if (head === undefined) throw new CacheError('log-version', `${name} is no log of this version of fallback-cache`)
    mirror.raiseFloor(head.floor)
    for (let from = head.floor; ; ) {
      const marks = await this.#marksFrom(from)
      for (const [mark, position] of marks) if (!mark.startsWith('=')) mirror.place([parseCover(mark)], position)
      const last = marks.at(-1)?.[1] ?? from
      if (marks.length < MARKS_AT_ONCE || last <= from) return { head, mirror }
      from = last
    }
  }

  /** This Redis, for an `Inspector`. */
  inspected({ head, mirror }: Standing): InspectedRedis {
    const { port, keyPrefix } = this
    return { port, keyPrefix, incarnation: head?.incarnation, mirror, run: (operation) => this.run(operation) }
  }

  async close(): Promise<void> {
    await this.port.close()
    this.#end()
  }

  async #marksFrom(from: number): Promise<readonly (readonly [string, number])[]> {
    const name = this.ownName('marks')
    const limit = ['WITHSCORES', 'LIMIT', '0', String(MARKS_AT_ONCE)]
    const reply = await this.send(name, ['ZRANGEBYSCORE', name, String(from), '+inf', ...limit])
    // Pairs in the newer protocol of Redis, and a flat list in the older one.
    const flat = Array.isArray(reply) ? reply.flat() : []
    return Array.from({ length: flat.length / 2 }, (_, at) => [String(flat[2 * at]), Number(String(flat[2 * at + 1]))])
  }

  #connect(isPatient: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#isLate('accept a connection')), this.#timeout)
      const settle = (end: () => void): void => {
        clearTimeout(timer)
        end()
      }
      this.port.watch(
        () => settle(resolve),
        () => {},
        (error) => {
          this.#lastError = bareError(error)
          const isTimeout = 'code' in this.#lastError && this.#lastError.code === 'ETIMEDOUT'
          if (!isPatient && !isTimeout) settle(() => reject(this.#unreachable(this.#lastError?.message ?? '')))
        },
      )
      this.port.connect()
      if (this.port.isReady()) settle(resolve)
    })
  }

  #isLate(what: string): CacheError {
    const seconds = `${this.#timeout / 1000} s`
    const said = this.#lastError === undefined ? '' : `: ${this.#lastError.message}`
    return new CacheError('redis-timeout', `it did not ${what} within ${seconds}${said}`)
  }

  #unreachable(message: string): CacheError {
    return new CacheError('redis-unavailable', message, this.#lastError)
  }
}

/** Opens a client of ioredis for a cluster. @throws TypeError if the package is not installed */
export async function openCluster({ url, tls, timeout }: RedisTarget): Promise<OpenedCluster> {
  const { addresses, username, password, isSecure, database } = readRedisUrl(url)
  if (database !== 0) throw new TypeError('a Redis Cluster has only database 0')
  const { Cluster } = await loadIoredis()
  const login = password === undefined ? {} : username === '' ? { password } : { username, password }
  const cluster = new Cluster(addresses, {
    enableOfflineQueue: false,
    slotsRefreshTimeout: timeout,
    clusterRetryStrategy: (times: number) => Math.min(100 * times, 1000),
    redisOptions: {
      ...login,
      tls: isSecure ? { ...tls } : undefined,
      maxRetriesPerRequest: 0,
      connectTimeout: timeout,
      socketTimeout: timeout,
    },
  })
  return cluster
}
