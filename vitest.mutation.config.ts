import { defineConfig } from 'vitest/config'
import { testsWithRedis } from './scripts/tests-with-redis.mjs'

// The tests that npm run mutation repeats for each change: those of src/core and src/http that need no server.
export default defineConfig({
  test: {
    include: ['test/core/**/*.test.ts', 'test/http/**/*.test.ts'],
    exclude: [
      ...testsWithRedis(),
      // Seconds of processor time each, to show that nothing blocks the event loop.
      'test/**/*.latency.test.ts',
      'test/core/recordings.test.ts',
      'test/http/hostile.test.ts',
    ],
    isolate: false,
    testTimeout: 60_000,
  },
})
