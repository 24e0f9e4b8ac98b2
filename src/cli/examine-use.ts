import { NEEDED_COMMANDS, type OpenedRedis, readRecords } from '../inspect/index.js'
import type { Finding } from './examine-server.js'
import { countText, durationText } from './figures.js'
import { redisNumber, whatIsPermitted } from './redis-info.js'

const ROUNDS = 50
/** The default of the option `redisTimeout`, in ms. */
const USUAL_TIMEOUT = 50

/** How long Redis takes to answer. */
export async function latencyFindings(redis: OpenedRedis): Promise<readonly Finding[]> {
  const name = redis.ownName('head')
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const asked = performance.now()
    await redis.send(name, ['GET', name])
    times.push(performance.now() - asked)
  }
  times.sort((one, other) => one - other)
  const at = (share: number): number => times[Math.min(ROUNDS - 1, Math.floor(share * ROUNDS))] ?? 0
  const text = `median ${at(0.5).toFixed(1)} ms, slowest of ${ROUNDS} ${at(1).toFixed(1)} ms`
  if (at(0.9) < USUAL_TIMEOUT / 2) return [{ level: 'ok', name: 'latency', text }]
  const advice = `from here; if it is the same from the application, raise redisTimeout (${USUAL_TIMEOUT} ms by default)`
  return [{ level: 'warning', name: 'latency', text: `${text} ${advice}` }]
}

/** Arguments with which each command can be tried, after the key. */
const TRIALS: Readonly<Record<string, readonly string[]>> = {
  getrange: ['0', '1'],
  pexpire: ['1'],
  set: ['x'],
  setrange: ['0', 'x'],
  xadd: ['*', 'n', 'x'],
  xrange: ['-', '+'],
  xrevrange: ['+', '-'],
  zadd: ['1', 'x'],
  zrangebyscore: ['0', '1'],
  zrem: ['x'],
  zscore: ['x'],
}

/** Arguments of commands that do not begin with a key. */
const WITHOUT_KEY: Readonly<Record<string, readonly string[]>> = { info: [], scan: ['0'], select: ['0'], time: [] }

/** Checks which commands of the library this user may not send. No command is carried out. */
export async function permissionFindings(redis: OpenedRedis): Promise<readonly Finding[]> {
  const key = redis.ownName('head')
  const user = await redis.send(key, ['ACL', 'WHOAMI']).catch(whatIsPermitted)
  if (user === undefined) {
    const text = 'ACL is not permitted to this user, as it need not be: an administrator can run ACL DRYRUN for it'
    return [{ level: 'note', name: 'permissions', text }]
  }
  const missing: string[] = []
  for (const command of NEEDED_COMMANDS) {
    const args = WITHOUT_KEY[command] ?? argumentsFor(command, key)
    const dryRun = ['ACL', 'DRYRUN', String(user), command, ...args] as const
    const reply = await redis.send(key, [...dryRun]).catch(whatIsPermitted)
    if (reply === undefined) {
      return [{ level: 'note', name: 'permissions', text: `user ${user}; this server has no ACL DRYRUN` }]
    }
    if (String(reply) !== 'OK') missing.push(`+${command}`)
  }
  const text = `user ${user}: ${missing.length === 0 ? `all ${NEEDED_COMMANDS.length} commands` : `not ${missing.join(' ')}`}`
  if (missing.length === 0) return [{ level: 'ok', name: 'permissions', text }]
  // Without these, the cache works with restrictions.
  const isServing = missing.every((one) => ['+info', '+select', '+scan'].includes(one))
  return [{ level: isServing ? 'warning' : 'error', name: 'permissions', text: `${text} (docs/redis.md)` }]
}

function argumentsFor(command: string, key: string): readonly string[] {
  return command === 'eval' || command === 'evalsha' ? ['return 1', '1', key] : [key, ...(TRIALS[command] ?? [])]
}

/** Number of keys that are searched for other prefixes. */
const MOST_KEYS = 200_000

/** Other applications in the same database. */
export async function prefixFindings(redis: OpenedRedis): Promise<readonly Finding[]> {
  const { keyPrefix } = redis
  const own = keyPrefix === '' ? 'none' : `"${keyPrefix}"`
  const { prefixes, isComplete } = await otherPrefixes(redis)
  const others = prefixes.filter((one) => one !== keyPrefix)
  const colliding = others.filter((one) => one.startsWith(keyPrefix) || keyPrefix.startsWith(one))
  const rest = isComplete ? '' : `; not all keys were looked at`
  const found: Finding[] = [
    colliding.length === 0
      ? {
          level: 'ok',
          name: 'prefix',
          text: `${own}, and ${countText(others.length, 'other', 'others')} in this database${rest}`,
        }
      : {
          level: 'warning',
          name: 'prefix',
          text: `${own} and ${colliding.map((one) => `"${one}"`).join(', ')} begin alike: entries can replace each other, and clear() of one covers those of the other${rest}`,
        },
  ]
  const owner = await redis.send(redis.ownName('owner'), ['GET', redis.ownName('owner')]).catch(whatIsPermitted)
  if (owner !== undefined && owner !== null) {
    found.push({ level: 'ok', name: 'owner', text: `the application ${String(owner).split(' ').slice(1).join(' ')}` })
  }
  return found
}

/** The prefixes whose logs are in this database. In a cluster only the node that answers is looked at. */
async function otherPrefixes(
  redis: OpenedRedis,
): Promise<{ readonly prefixes: string[]; readonly isComplete: boolean }> {
  const end = '{fallback-cache}:head'
  const prefixes = new Set<string>()
  let cursor = '0'
  for (let seen = 0; seen < MOST_KEYS; seen += 1000) {
    const scan = ['SCAN', cursor, 'MATCH', `*${end}`, 'COUNT', '1000'] as const
    const reply = await redis.send(redis.ownName('head'), [...scan]).catch(whatIsPermitted)
    const [next, names] = Array.isArray(reply) ? reply : ['0', []]
    for (const name of Array.isArray(names) ? names.map(String) : []) prefixes.add(name.slice(0, -end.length))
    cursor = String(next)
    if (cursor === '0') return { prefixes: [...prefixes], isComplete: !redis.port.isCluster && reply !== undefined }
  }
  return { prefixes: [...prefixes], isComplete: false }
}

/** The log of invalidations, and its marks. */
export async function logFindings(redis: OpenedRedis): Promise<readonly Finding[]> {
  const { head } = await redis.standing()
  if (head === undefined) {
    return [{ level: 'note', name: 'log', text: 'none: no application has used this Redis with this keyPrefix yet' }]
  }
  const [records, marks, newest] = await Promise.all([
    redisNumber(redis, ['XLEN', redis.ownName('log')]),
    redisNumber(redis, ['ZCARD', redis.ownName('marks')]),
    readRecords(redis, { count: 1 }).catch(whatIsPermitted),
  ])
  const last = newest?.at(-1)
  const ago = last === undefined ? '' : `, the last one ${durationText(Date.now() - last.position / 1000)} ago`
  const born = new Date(head.born / 1000).toISOString()
  const text = `${records ?? 'an unknown number of'} records, ${marks === undefined ? 'an unknown number of' : `${marks} of at most 10000`} marks${ago}; life ${head.incarnation} since ${born}`
  const isMatching = last === undefined || last.position === head.position
  if (isMatching) return [{ level: 'ok', name: 'log', text }]
  return [
    {
      level: 'note',
      name: 'log',
      text: `${text}; its head and its newest record differ, or an invalidation came just now`,
    },
  ]
}
