import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { OpenedRedis, type RedisTarget } from '../inspect/index.js'
import type { Arguments, OptionSpec } from './arguments.js'
import type { Surroundings } from './command.js'
import { CommandFailure, UsageError } from './errors.js'
import { redisInfo } from './redis-info.js'

/** The options of the commands that read from Redis. */
export const REDIS_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  redis: {
    value: 'url',
    text: 'the Redis, as in the option redis of the library: redis://, rediss://, redis-sentinel://, rediss-sentinel://. Default: FALLBACK_CACHE_REDIS, then REDIS_URL. Use these for passwords: other users of the machine can read a command line',
  },
  'key-prefix': {
    value: 'text',
    text: 'the keyPrefix of the application. Default: FALLBACK_CACHE_KEY_PREFIX, or none',
  },
  cluster: { text: 'the URL names a node of a Redis Cluster' },
  ca: { value: 'file', text: 'the certificate of the authority, in PEM, for rediss://' },
  cert: { value: 'file', text: 'the certificate of this client, in PEM' },
  key: { value: 'file', text: 'its private key, in PEM' },
  servername: { value: 'name', text: 'the name in the certificate of the server, if it is not that of the URL' },
  insecure: { text: 'accept any certificate' },
  timeout: { value: 'seconds', text: 'how long to wait for the connection, and for each answer. Default: 5' },
}

/** The Redis that the options or the environment name. @throws UsageError */
function redisTarget(given: Arguments, env: Surroundings['env']): RedisTarget {
  const url = given.text('redis') || env.FALLBACK_CACHE_REDIS || env.REDIS_URL
  if (url === undefined || url === '')
    throw new UsageError('which Redis? Give --redis redis://host:6379, or set FALLBACK_CACHE_REDIS or REDIS_URL')
  return {
    url,
    keyPrefix: given.text('key-prefix') ?? env.FALLBACK_CACHE_KEY_PREFIX ?? '',
    tls: tlsOptions(given),
    isCluster: given.has('cluster'),
    timeout: given.number('timeout', 5, [0.1, 600], false) * 1000,
  }
}

/** Connects, runs, and disconnects. @throws CommandFailure that names the Redis without its credentials */
export async function withRedis<T>(
  given: Arguments,
  { env, signal }: Surroundings,
  run: (redis: OpenedRedis, target: RedisTarget) => Promise<T>,
  isAnyNodeMeant = false,
): Promise<T> {
  const target = redisTarget(given, env)
  const redis = await OpenedRedis.open(target).catch((thrown: unknown) => {
    throw unusable(target, thrown)
  })
  // A command that waits for Redis ends with its connection.
  const end = () => void redis.close()
  signal.addEventListener('abort', end, { once: true })
  try {
    // One node of a cluster would show a part of the entries as if they were all.
    if (!isAnyNodeMeant && !target.isCluster && (await isClusterNode(redis))) throw new UsageError(NODE)
    return await run(redis, target)
  } catch (thrown) {
    throw thrown instanceof Error && thrown.name === 'CacheError' ? unusable(target, thrown) : thrown
  } finally {
    signal.removeEventListener('abort', end)
    await redis.close()
  }
}

/** A URL of Redis without its login, to be shown. */
export function maskedUrl(url: string): string {
  const text = url.trim()
  const [scheme] = /^[a-z][a-z\d+.-]*:\/\//i.exec(text) ?? []
  if (scheme === undefined) return 'the given address'
  // A password may contain any character, spaces too.
  const login = text.lastIndexOf('@')
  return login < 0 ? text : `${scheme}***${text.slice(login)}`
}

function unusable(target: RedisTarget, thrown: unknown): Error {
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  if (thrown instanceof TypeError || thrown instanceof RangeError) {
    // A message of the library about the URL, which contains no part of it, or about a missing package.
    const isMissing = message.includes('npm install')
    return isMissing ? new CommandFailure(MISSING) : new UsageError(message)
  }
  const remedy = REMEDIES.find(([pattern]) => pattern.test(message))?.[1]
  return new CommandFailure(
    `${maskedUrl(target.url)}: ${message.endsWith('.') ? message.slice(0, -1) : message}${remedy === undefined ? '' : `. ${remedy}`}`,
  )
}

const NODE = 'This is a node of a Redis Cluster: add --cluster'

async function isClusterNode(redis: OpenedRedis): Promise<boolean> {
  return (await redisInfo(redis, 'cluster')).get('cluster_enabled') === '1'
}

const MISSING =
  'the package "ioredis" connects to Redis, and is not installed: npm install ioredis. Outside of a project: npx -p fallback-cache -p ioredis fallback-cache …'

/** The remedies for errors of Redis. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/NOAUTH|WRONGPASS|invalid password/, 'The URL has to carry a user and a password that this Redis knows'],
  [/^(?=.*NOPERM).* keys? /, 'This user may not use such keys: --key-prefix has to be that of the application'],
  [/NOPERM/, 'This user may not do that: docs/redis.md lists the permissions, and doctor says which are missing'],
  [/MOVED|CROSSSLOT|CLUSTERDOWN/, NODE],
  [/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|Unknown RESP type/, 'Is that the address of a Redis?'],
  [/refresh slots cache/, 'Is that a node of a Redis Cluster?'],
  [/wrong version number|packet length too long|SSL|Parse error|Protocol error/i, 'Is it redis:// or rediss://?'],
  [/self.signed|unable to verify|unable to get/i, 'Give the certificate of the authority by --ca'],
]

function tlsOptions(given: Arguments): ConnectionOptions | undefined {
  const options: ConnectionOptions = {}
  for (const name of ['ca', 'cert', 'key'] as const) {
    const path = given.text(name)
    if (path !== undefined) options[name] = fileText(name, path)
  }
  const servername = given.text('servername')
  if (servername !== undefined) options.servername = servername
  if (given.has('insecure')) options.rejectUnauthorized = false
  return Object.keys(options).length === 0 ? undefined : options
}

function fileText(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unreadable'
    throw new UsageError(`--${name} ${path}: ${code}`)
  }
}
