import type { OpenedRedis } from '../inspect/index.js'
import { bytesText, countText, durationText } from './figures.js'
import { redisInfo, serverName, whatIsPermitted } from './redis-info.js'

/** One result of examining a Redis. */
export interface Finding {
  readonly level: 'ok' | 'note' | 'warning' | 'error'
  readonly name: string
  /** The finding; for a warning or an error also the remedy. */
  readonly text: string
}

/** Difference between the clocks of Redis and this machine that is reported, in ms. */
const LARGE_DIFFERENCE = 5_000

/** Version, role, topology, eviction and clock of a server. */
export async function serverFindings(redis: OpenedRedis): Promise<readonly Finding[]> {
  const [server, replication, memory, stats, cluster] = await Promise.all(
    ['server', 'replication', 'memory', 'stats', 'cluster'].map((section) => redisInfo(redis, section)),
  )
  const name = server && serverName(server)
  if (server === undefined || name === undefined) {
    const text = 'INFO is not permitted: version, role and eviction are not known (+info)'
    return [{ level: 'warning', name: 'server', text }, await clockFinding(redis)]
  }
  const uptime = durationText(Number(server.get('uptime_in_seconds') ?? 0) * 1000)
  return [
    { level: 'ok', name: 'server', text: `${name}, ${server.get('redis_mode') ?? 'standalone'}, up for ${uptime}` },
    roleFinding(replication),
    topologyFinding(redis, cluster?.get('cluster_enabled') === '1'),
    evictionFinding(memory, Number(stats?.get('evicted_keys') ?? 0)),
    await clockFinding(redis),
  ]
}

function roleFinding(replication: ReadonlyMap<string, string> | undefined): Finding {
  const role = replication?.get('role')
  if (role === 'master') {
    return {
      level: 'ok',
      name: 'role',
      text: `master with ${countText(Number(replication?.get('connected_slaves') ?? 0), 'replica', 'replicas')}`,
    }
  }
  const text = `${role ?? 'unknown'}: a replica refuses writes, and is not used; give the address of the master`
  return { level: 'error', name: 'role', text }
}

function topologyFinding({ port }: OpenedRedis, isClusterNode: boolean): Finding {
  if (port.isCluster) return { level: 'ok', name: 'topology', text: 'cluster' }
  if (!isClusterNode) return { level: 'ok', name: 'topology', text: 'one server' }
  const text = 'a node of a cluster, which needs a cluster client in the application, and --cluster here'
  return { level: 'error', name: 'topology', text }
}

function evictionFinding(memory: ReadonlyMap<string, string> | undefined, evicted: number): Finding {
  const limit = Number(memory?.get('maxmemory') ?? 0)
  const policy = memory?.get('maxmemory_policy') ?? 'unknown'
  const used = `${bytesText(Number(memory?.get('used_memory') ?? 0))} used`
  const name = 'eviction'
  if (limit === 0) {
    return { level: 'note', name, text: `${used}, no maxmemory: Redis grows until the machine has no memory left` }
  }
  const text = `${policy}, ${used} of ${bytesText(limit)}, ${evicted} evicted`
  if (policy.startsWith('volatile-')) return { level: 'ok', name, text }
  const why = policy === 'noeviction' ? 'a full Redis takes no invalidations' : 'it can evict the log of invalidations'
  return { level: 'warning', name, text: `${text}; ${why}: set maxmemory-policy volatile-lru (docs/redis.md)` }
}

async function clockFinding(redis: OpenedRedis): Promise<Finding> {
  const asked = Date.now()
  const reply = await redis.send(redis.ownName('head'), ['TIME']).catch(whatIsPermitted)
  const answered = Date.now()
  const [seconds, micros] = Array.isArray(reply) ? reply.map((part) => Number(String(part))) : []
  if (seconds === undefined || micros === undefined) {
    return { level: 'warning', name: 'clock', text: 'TIME is not permitted (+time)' }
  }
  const difference = seconds * 1000 + micros / 1000 - (asked + answered) / 2
  const text = `${difference < 0 ? 'behind' : 'ahead of'} the clock of this machine by ${durationText(Math.abs(difference))}`
  if (Math.abs(difference) < LARGE_DIFFERENCE) return { level: 'ok', name: 'clock', text }
  const why = 'ages of entries are counted by the clocks of the processes; invalidations do not depend on clocks'
  return { level: 'note', name: 'clock', text: `${text}: ${why}` }
}
