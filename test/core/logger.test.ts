import { afterEach, describe, expect, it, vi } from 'vitest'
import { GuardedLogger } from '../../src/core/logger.js'

describe('GuardedLogger', () => {
  afterEach(() => vi.restoreAllMocks())

  it('hands lines on as they are', () => {
    const lines: unknown[] = []
    const logger = new GuardedLogger({
      info: (details, message) => void lines.push(['info', details, message]),
      warn: (details, message) => void lines.push(['warn', details, message]),
    })
    logger.info({ a: 1 }, 'one')
    logger.warn({ b: 2 }, 'two')
    expect(lines).toEqual([
      ['info', { a: 1 }, 'one'],
      ['warn', { b: 2 }, 'two'],
    ])
  })

  it('calls the logger as a method of itself', () => {
    class Counting {
      lines = 0
      info(): void {
        this.lines++
      }
      warn(): void {
        this.lines++
      }
    }
    const counting = new Counting()
    new GuardedLogger(counting).warn({}, 'line')
    expect(counting.lines).toBe(1)
  })

  const broken = {
    'throws an error': () => {
      throw new Error('disk full')
    },
    'throws something without a text': () => {
      throw Object.create(null)
    },
    rejects: () => Promise.reject(new Error('disk full')),
    'rejects with the promise of a library': () => ({
      // biome-ignore lint/suspicious/noThenProperty: it is one
      then: (_: unknown, reject: (why: unknown) => void) => reject(new Error('disk full')),
    }),
  }
  for (const [name, log] of Object.entries(broken)) {
    it(`turns a logger that ${name} into one process warning`, async () => {
      const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
      const logger = new GuardedLogger({ info: log as () => void, warn: log as () => void })
      logger.info({}, 'one')
      logger.warn({}, 'two')
      await new Promise((resolve) => setImmediate(resolve))
      expect(warnings).toHaveBeenCalledTimes(1)
      expect(warnings).toHaveBeenCalledWith(expect.stringContaining('logger.info failed'), 'FallbackCacheWarning')
    })
  }
})
