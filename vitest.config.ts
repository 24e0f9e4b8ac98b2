import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { testsWithRedis } from './scripts/tests-with-redis.mjs'

const NEED_REDIS = needRedis()

/** With HOSTS=express,koa, the hosts of the contract that are left out: all others. */
const OTHER_HOSTS = process.env.HOSTS === undefined ? [] : otherHosts(process.env.HOSTS.split(','))

/** Where a single command of Redis that misses its deadline of 50 ms is one too many: two files at a time. */
const DEADLINES = ['test/coherence/*.test.ts', 'test/core/{redis,clients,connections}.test.ts']

/** What mostly waits: for a Redis that is cut off, elects another master or loads, for an example to start. One counts its process's heap, one loads `domain`. */
const WAITING = [
  'test/middleware/{domain,young-garbage}.test.ts',
  'test/coherence/{cluster,sentinel,soak}.test.ts',
  'test/examples/*.test.ts',
  'test/observe/board-in-prometheus.test.ts',
  'test/faults/*.test.ts',
  'test/support/*.test.ts',
  'test/testing/*.test.ts',
]

/** What waits for no clock and measures nothing, and starts many processes: in CI it has the time that other tests leave. */
const UNHURRIED = ['test/bench/bench.test.ts', 'test/docs/programs.test.ts']

const LATENCY = 'test/**/*.latency.test.ts'

/** How long one call blocks the event loop, files written included. */
const ALONE = 'test/core/**/*.latency.test.ts'

/** The files that take longest begin first, in this order: the last one of them is what the others would wait for. */
const SLOWEST = [
  'test/simulation/simulation.test.ts',
  'test/coherence/outage.test.ts',
  'test/bench/bench.test.ts',
  'test/coherence/cluster.test.ts',
  'test/faults/missing-reply.test.ts',
  'test/faults/error-replies.test.ts',
  'test/coherence/sentinel.test.ts',
  'test/coherence/soak.test.ts',
  'test/docs/introduction.test.ts',
  'test/ecosystem/conditions.test.ts',
  'test/coherence/invalidation.test.ts',
  'test/core/redis.test.ts',
  'test/middleware/node-internals/early-answers.test.ts',
  'test/core/clients.test.ts',
  'test/middleware/reasons.test.ts',
  'test/attacks/inputs.test.ts',
  'test/simulation/broken-rules.test.ts',
  'test/faults/refusals.test.ts',
  'test/examples/demo.test.ts',
  'test/testing/check-coherence.test.ts',
  'test/support/redis-groups.test.ts',
  'test/dashboard/dashboard.test.ts',
  'test/cli/operations.test.ts',
]

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = SLOWEST.findIndex((file) => moduleId.endsWith(file))
      return found === -1 ? SLOWEST.length : found
    }
    return (await super.sort(files)).sort((one, other) => place(one) - place(other))
  }
}

// The tests start real servers and real processes, and a file of them keeps about half a core busy: five run at a time,
// two (WORKERS) where deadlines are part of what is tested. A file belongs to one project; the groups of projects run one after
// the other.
export default defineConfig({
  // Examples import the package by its name, as a user would; here, as in tsconfig.json, that is the source.
  resolve: {
    alias: [
      { find: /^fallback-cache$/, replacement: source('index') },
      { find: /^fallback-cache\/(express|koa)$/, replacement: source('middleware/$1') },
      { find: /^fallback-cache\/(fastify|hono|nestjs)$/, replacement: source('adapters/$1') },
      { find: /^fallback-cache\/opentelemetry$/, replacement: source('observe/opentelemetry') },
      { find: /^fallback-cache\/prometheus$/, replacement: source('observe/prometheus') },
      { find: /^fallback-cache\/testing$/, replacement: source('testing/check-coherence') },
    ],
  },
  test: {
    pool: 'forks',
    maxWorkers: 5,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    restoreMocks: true,
    // What is polled happens in another process or turn; how long it may take, tests of latency say.
    expect: { poll: { timeout: 10_000 } },
    // Real servers are killed, frozen and cut off here, and the machine is shared: what fails once there is run again, and said.
    retry: process.env.CI ? 1 : 0,
    sequence: { sequencer: SlowestFirst },
    // Those that are concurrent wait for silence on a connection, and need no processor for it.
    maxConcurrency: 40,
    projects: [
      {
        extends: true,
        test: {
          name: 'deadlines',
          isolate: false,
          include: DEADLINES,
          exclude: [LATENCY, ...WAITING, ...NEED_REDIS],
          maxWorkers: Number(process.env.WORKERS ?? 2),
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Most of these files take less time than a process and its imports; none leaves anything behind.
        extends: true,
        test: {
          name: 'library',
          isolate: false,
          include: ['test/**/*.test.ts'],
          exclude: [
            LATENCY,
            'test/browser/**',
            'test/package/**',
            'test/simulation/**',
            'test/soak/**',
            ...DEADLINES,
            ...WAITING,
            ...UNHURRIED,
            ...OTHER_HOSTS,
            ...NEED_REDIS,
          ],
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Thousands of seeds: processor time, no machine outside the process. In CI that is what other tests leave.
        extends: true,
        test: {
          name: 'simulation',
          include: ['test/simulation/**/*.test.ts'],
          testTimeout: 400_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'unhurried',
          include: UNHURRIED,
          exclude: NEED_REDIS,
          testTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Each in a process of its own.
        extends: true,
        test: {
          name: 'waiting',
          include: WAITING,
          exclude: [LATENCY, ...NEED_REDIS],
          sequence: { groupOrder: 1 },
        },
      },
      {
        // What measures how long an answer takes: nothing of the same priority runs beside it.
        extends: true,
        test: {
          name: 'latency',
          include: [LATENCY],
          exclude: ['test/soak/**', ALONE, ...NEED_REDIS],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // Nothing at all runs beside.
        extends: true,
        test: {
          name: 'alone',
          include: [ALONE],
          exclude: NEED_REDIS,
          fileParallelism: false,
          sequence: { groupOrder: 5 },
        },
      },
      {
        // Needs a Chromium: npm run test:browser.
        extends: true,
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 4 },
        },
      },
      {
        // The packed tarball, installed as a user would; one file waits for npm while another compiles.
        extends: true,
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          globalSetup: 'test/package/pack-once.ts',
          testTimeout: 240_000,
          hookTimeout: 240_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})

function source(name: string): string {
  return fileURLToPath(new URL(`src/${name}.ts`, import.meta.url))
}

function otherHosts(hosts: readonly string[]): string[] {
  const wanted = [...hosts, 'express-and-koa'].map((host) => `contract-${host}.test.ts`)
  return readdirSync(new URL('test/middleware', import.meta.url))
    .filter((file) => /^contract-.*\.test\.ts$/.test(file) && !wanted.includes(file))
    .map((file) => `test/middleware/${file}`)
}

/** With SKIP_REDIS=1, the test files that start a redis-server: they are left out, and named. */
function needRedis(): string[] {
  if (process.env.SKIP_REDIS !== '1') return []
  const files = testsWithRedis()
  // This file is read once for each project.
  if (!process.env.SKIP_REDIS_SAID) console.log(`SKIP_REDIS=1 leaves out ${files.join(', ')}`)
  process.env.SKIP_REDIS_SAID = '1'
  return files
}
