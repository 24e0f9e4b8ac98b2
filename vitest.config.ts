import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// The tests start real servers and real processes, so a file gets a process of its own, and two run at a time: more
// would make two cores wait for each other, and deadlines of 50 ms are part of what is tested.
export default defineConfig({
  // Examples import the package by its name, as a user would; here, as in tsconfig.json, that is the source.
  resolve: {
    alias: [
      { find: /^fallback-cache$/, replacement: source('index') },
      { find: /^fallback-cache\/(express|koa)$/, replacement: source('middleware/$1') },
    ],
  },
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    restoreMocks: true,
    projects: [
      {
        extends: true,
        test: {
          name: 'library',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.latency.test.ts', 'test/package/**', 'test/soak/**', 'test/fixtures/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        // What measures how long an answer takes has the machine to itself.
        extends: true,
        test: {
          name: 'latency',
          include: ['test/**/*.latency.test.ts'],
          exclude: ['test/soak/**'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // The packed tarball, installed as a user would.
        extends: true,
        test: {
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 240_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})

function source(name: string): string {
  return fileURLToPath(new URL(`src/${name}.ts`, import.meta.url))
}
