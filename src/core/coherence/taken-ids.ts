import { createHash } from 'node:crypto'
import type { RedisPort } from '../tiers/redis-client.js'
import { ownName } from './names.js'
import type { RedisConnection } from './redis-connection.js'
import type { SharedParts } from './shared-parts.js'

/** Ids that one process may take at a time, among all processes, so that what an id stands for is done once. */
export class TakenIds {
  readonly #port: RedisPort
  readonly #connection: RedisConnection
  readonly #begin: string

  constructor({ port, coherence, settings }: SharedParts) {
    this.#port = port
    this.#connection = coherence.connection
    this.#begin = `${ownName(settings.keyPrefix, 'taken')}:`
  }

  /**
   * Takes an id for some time; `begun` or `done` if another process has. `undefined` if Redis cannot be used. Never
   * rejects.
   */
  async take(id: string, milliseconds: number): Promise<'taken' | 'begun' | 'done' | undefined> {
    const key = this.#keyOf(id)
    const lifetime = String(Math.ceil(milliseconds))
    const reply = await this.#ask(async () => {
      const taken = await this.#port.send(key, ['SET', key, 'begun', 'PX', lifetime, 'NX'])
      return taken === null ? this.#port.send(key, ['GET', key]) : 'taken'
    })
    if (reply === undefined || reply === 'taken') return reply
    return String(reply) === 'done' ? 'done' : 'begun'
  }

  /** Notes that what a taken id stands for is done. Never rejects. */
  async finish(id: string, milliseconds: number): Promise<void> {
    const key = this.#keyOf(id)
    await this.#ask(() => this.#port.send(key, ['SET', key, 'done', 'PX', String(Math.ceil(milliseconds))]))
  }

  /** Lets an id be taken again. Never rejects. */
  async release(id: string): Promise<void> {
    const key = this.#keyOf(id)
    await this.#ask(() => this.#port.send(key, ['DEL', key]))
  }

  async #ask<Reply>(operation: () => Promise<Reply>): Promise<Reply | undefined> {
    if (!this.#connection.isConnected) return undefined
    return this.#connection.tier.run(operation, 'invalidate once').catch(() => undefined)
  }

  /** The same length for every id. */
  #keyOf(id: string): string {
    return this.#begin + createHash('sha256').update(id).digest('base64url')
  }
}
