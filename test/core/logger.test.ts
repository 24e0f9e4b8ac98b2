import { afterEach, describe, expect, it, vi } from 'vitest'
import { GuardedLogger, type Logger, notify, readLogger } from '../../src/core/logger.js'

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

describe('notify', () => {
  afterEach(() => vi.restoreAllMocks())

  it('warns through the logger, which says from whom it is', () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const logger = { info: vi.fn(), warn: vi.fn() }
    notify(logger, 'redis is gone', { code: 'gone' })
    notify(logger, 'and back')
    expect(logger.warn.mock.calls).toEqual([
      [{ code: 'gone' }, 'fallback-cache: redis is gone'],
      [{}, 'fallback-cache: and back'],
    ])
    expect(logger.info).not.toHaveBeenCalled()
    expect(warnings).not.toHaveBeenCalled()
  })

  it('warns through the process if there is no logger', () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    notify(undefined, 'redis is gone')
    expect(warnings.mock.calls).toEqual([['redis is gone', 'FallbackCacheWarning']])
  })
})

describe('readLogger', () => {
  const methods = { info: () => {}, warn: () => {} }

  it('leaves out what is not given', () => {
    expect(readLogger(undefined)).toBeUndefined()
  })

  it.each([
    ['an object', methods],
    ['a function that has the methods', Object.assign(() => {}, methods)],
  ])('guards %s', (_what, given) => {
    expect(readLogger(given)).toBeInstanceOf(GuardedLogger)
  })

  it.each([
    ['null', null],
    ['a text', 'console'],
    ['a function', () => {}],
    ['no info', { warn: methods.warn }],
    ['no warn', { info: methods.info }],
    ['levels that are no methods', { info: true, warn: true }],
  ])('refuses %s', (_what, given) => {
    const read = (): unknown => readLogger(given as unknown as Logger)
    expect(read).toThrow(TypeError)
    expect(read).toThrow('logger must have the methods info and warn')
  })
})
