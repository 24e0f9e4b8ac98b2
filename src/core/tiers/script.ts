import { createHash } from 'node:crypto'
import type { RedisArgument, RedisPort } from './redis-client.js'

/**
 * For the source of a script: the reply of a `redis.pcall` that reads. An error other than that of a key of another type
 * ends the script: a command that is refused does not say that a key is missing.
 */
export const READ_FUNCTION = `
local function read(reply)
  if type(reply) == 'table' and reply.err and not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply) end
  return reply
end`

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
