import type { OpenedRedis } from '../../inspect/index.js'
import type { Command } from '../command.js'
import { DASHBOARD_OPTIONS, dashboardAddress, dashboardProcesses, type ToldProcess } from '../dashboard-client.js'
import { type Finding, serverFindings } from '../examine-server.js'
import { latencyFindings, logFindings, permissionFindings, prefixFindings } from '../examine-use.js'
import { countText } from '../figures.js'
import { maskedUrl, REDIS_OPTIONS, withRedis } from '../redis-options.js'
import { visible } from '../terminal.js'

/** `fallback-cache doctor`: examine a Redis: server, permissions, latency, prefixes, log. */
export const doctorCommand: Command = {
  synopsis: '[options]',
  description: [
    'Examines a Redis, and writes nothing: version, role and topology, eviction, clock, latency, the permissions of this user (ACL DRYRUN), other prefixes and applications in the same database, and the log of invalidations with its marks.',
    'With --url it also asks a dashboard for what only processes know: invalidations that wait for Redis, and whether the processes are connected.',
  ].join('\n\n'),
  options: { ...DASHBOARD_OPTIONS, ...REDIS_OPTIONS },
  arity: [0, 0],
  examples: [
    ['Before the first deployment, with the user of the application', 'doctor --key-prefix shop:'],
    ['With the processes', 'doctor --url http://10.0.0.1:3000/__cache'],
  ],
  failsIf: 'there is a warning or an error, or Redis failed',
  run: (given, around) =>
    withRedis(
      given,
      around,
      async (redis, target) => {
        const { terminal, signal } = around
        const address = dashboardAddress(given)
        const findings = [
          ...(await examine(redis)),
          ...(address === undefined ? [] : (await dashboardProcesses(address, signal)).map(processFinding)),
        ]
        const isWell = findings.every(({ level }) => level === 'ok' || level === 'note')
        if (given.has('json')) await terminal.json({ redis: maskedUrl(target.url), isWell, findings })
        else {
          await terminal.print(`${terminal.style('bold', visible(maskedUrl(target.url)))}\n`)
          for (const { level, name, text } of findings) {
            const style = level === 'ok' ? 'green' : level === 'note' ? 'dim' : level === 'error' ? 'red' : 'yellow'
            await terminal.print(`${terminal.style(style, level.padEnd(7))}  ${name.padEnd(12)}  ${visible(text)}`)
          }
        }
        return isWell ? 0 : 1
      },
      true,
    ),
}

async function examine(redis: OpenedRedis): Promise<readonly Finding[]> {
  return [
    ...(await serverFindings(redis)),
    ...(await asPermitted('latency', () => latencyFindings(redis))),
    ...(await permissionFindings(redis)),
    ...(await asPermitted('prefix', () => prefixFindings(redis))),
    ...(await asPermitted('log', () => logFindings(redis))),
  ]
}

/** Reports a missing permission as a finding, too. */
async function asPermitted(name: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look()
  } catch (thrown) {
    if (!(thrown instanceof Error) || !thrown.message.includes('NOPERM')) throw thrown
    return [{ level: 'error', name, text: thrown.message }]
  }
}

function processFinding({ host, pid, stats }: ToldProcess): Finding {
  const { connected, redisError, pendingInvalidations, pendingWrites } = stats
  const pending = `${countText(pendingInvalidations, 'invalidation', 'invalidations')} and ${countText(pendingWrites, 'entry', 'entries')} wait for Redis`
  const text = connected ? `connected, ${pending}` : `NOT connected (${redisError ?? 'no error'}), ${pending}`
  const isWell = connected && pendingInvalidations === 0
  return { level: isWell ? 'ok' : 'warning', name: 'process', text: `${host}/${pid}: ${text}` }
}
