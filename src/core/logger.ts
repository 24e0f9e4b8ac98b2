import { textOf } from './errors.js'

/**
 * The destination of log messages; compatible with pino and `console`. Logs one line per state change, none per
 * request.
 */
export interface Logger {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

/**
 * Wraps a logger so that it cannot throw. The first error it throws or rejects with becomes a process warning; later
 * errors are ignored, because a broken logger fails on every line.
 */
export class GuardedLogger implements Logger {
  readonly #logger: Logger
  #hasFailed = false

  constructor(logger: Logger) {
    this.#logger = logger
  }

  info(details: object, message: string): void {
    this.#log('info', details, message)
  }

  warn(details: object, message: string): void {
    this.#log('warn', details, message)
  }

  #log(level: 'info' | 'warn', details: object, message: string): void {
    try {
      const logged: unknown = this.#logger[level](details, message)
      // For what is no promise, this does nothing.
      Promise.resolve(logged).catch((thrown: unknown) => this.#fail(level, thrown))
    } catch (thrown) {
      this.#fail(level, thrown)
    }
  }

  #fail(level: string, thrown: unknown): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    process.emitWarning(`logger.${level} failed: ${textOf(thrown)}`, 'FallbackCacheWarning')
  }
}

/** Notifies the operator of a cache: through the logger, or with a process warning if there is none. */
export function notify(logger: Logger | undefined, message: string, details: object = {}): void {
  if (logger === undefined) process.emitWarning(message, 'FallbackCacheWarning')
  else new GuardedLogger(logger).warn(details, `fallback-cache: ${message}`)
}

/** Checks the `logger` option. @throws TypeError */
export function readLogger(logger: Logger | undefined): Logger | undefined {
  if (logger === undefined) return undefined
  // From JavaScript, it may be null or a text; a function with these methods is a logger too.
  if (typeof logger?.info !== 'function' || typeof logger.warn !== 'function') {
    throw new TypeError('logger must have the methods info and warn')
  }
  return new GuardedLogger(logger)
}
