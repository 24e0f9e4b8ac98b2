import type { OpenedRedis } from '../inspect/index.js'

/** The values of a section of INFO, by name. Empty if the user lacks the permission. */
export async function redisInfo(redis: OpenedRedis, section: string): Promise<ReadonlyMap<string, string>> {
  const reply = await redis.send(redis.ownName('head'), ['INFO', section]).catch(whatIsPermitted)
  const lines = String(reply ?? '').split('\r\n')
  return new Map(lines.map((line) => [line.split(':', 1)[0] ?? '', line.slice(line.indexOf(':') + 1)]))
}

/** A number from Redis; `undefined` if the user lacks the permission, or the key is of another type. */
export async function redisNumber(
  redis: OpenedRedis,
  command: readonly [string, ...string[]],
): Promise<number | undefined> {
  const reply = await redis.send(redis.ownName('head'), command).catch(whatIsPermitted)
  return reply === undefined || reply === null ? undefined : Number(String(reply))
}

/** Ignores errors about missing permissions and unknown commands. */
export function whatIsPermitted(thrown: unknown): undefined {
  if (thrown instanceof Error && /NOPERM|WRONGTYPE|unknown (sub)?command|ERR /i.test(thrown.message)) return undefined
  throw thrown
}

/** `Redis 7.2.4` or `Valkey 8.0.1`; `undefined` if the user lacks the permission for INFO. */
export function serverName(info: ReadonlyMap<string, string>): string | undefined {
  const valkey = info.get('valkey_version')
  const redis = info.get('redis_version')
  return valkey === undefined ? redis && `Redis ${redis}` : `Valkey ${valkey}`
}
