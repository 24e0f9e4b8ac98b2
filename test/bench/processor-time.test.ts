import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { cpuOf, processesOf } from '../../bench/processor-time.js'

describe.runIf(process.platform === 'linux')('the processor time of processes', () => {
  it('counts what a process says of itself', () => {
    const { user, system } = process.cpuUsage()
    const before = cpuOf([process.pid]).cpu
    const end = process.cpuUsage().user + 200_000
    while (process.cpuUsage().user < end);
    const after = process.cpuUsage({ user, system })
    expect(cpuOf([process.pid]).cpu - before).toBeGreaterThan(150_000)
    expect(cpuOf([process.pid]).cpu - before).toBeLessThan(after.user + after.system + 200_000)
  })

  it('finds the processes below a process, and stops counting them when they are gone', async () => {
    const child = spawn('sh', ['-c', 'sleep 60 & echo started; wait'], { stdio: ['ignore', 'pipe', 'ignore'] })
    await once(child.stdout, 'data')
    const pids = processesOf(child.pid ?? 0)
    expect(pids).toHaveLength(2)
    expect(cpuOf(pids).rss).toBeGreaterThan(100_000)
    const gone = once(child, 'exit')
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await gone
    expect(cpuOf([child.pid ?? 0])).toEqual({ cpu: 0, rss: 0 })
  })
})
