import { createHash } from 'node:crypto'
import type { RedisArgument, RedisPort } from './redis-client.js'

/** A Lua script, run by its hash (EVALSHA); the full source is sent only if Redis does not know the hash. */
export class Script {
  readonly #source: string
  readonly #sha: string

  constructor(source: string) {
    this.#source = source
    this.#sha = createHash('sha1').update(source).digest('hex')
  }

  async run(port: RedisPort, keys: readonly [string, ...string[]], args: readonly RedisArgument[]): Promise<unknown> {
    const rest = [String(keys.length), ...keys, ...args]
    try {
      return await port.send(keys[0], ['EVALSHA', this.#sha, ...rest])
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('NOSCRIPT')) throw error
      return port.send(keys[0], ['EVAL', this.#source, ...rest])
    }
  }
}
