/** Where the library says what happened: shaped like pino, and like `console`. One line a transition, none a request. */
export interface Logger {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

/**
 * A logger that cannot hurt the code that logs. The first error it throws, or rejects with, becomes a process warning; later ones are
 * ignored, for a logger that fails does so at every line.
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
      if (logged instanceof Promise) logged.catch((thrown: unknown) => this.#fail(level, thrown))
    } catch (thrown) {
      this.#fail(level, thrown)
    }
  }

  #fail(level: string, thrown: unknown): void {
    if (this.#hasFailed) return
    this.#hasFailed = true
    process.emitWarning(`logger.${level} failed: ${text(thrown)}`, 'FallbackCacheWarning')
  }
}

/** Says something that the owner of a cache should know: to the logger, or as a process warning where there is none. */
export function notify(logger: Logger | undefined, message: string, details: object = {}): void {
  if (logger === undefined) process.emitWarning(message, 'FallbackCacheWarning')
  else new GuardedLogger(logger).warn(details, `fallback-cache: ${message}`)
}

/** Text of anything that can be thrown, objects without a text included. */
function text(thrown: unknown): string {
  try {
    return String(thrown)
  } catch {
    return typeof thrown
  }
}
