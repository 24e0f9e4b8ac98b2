/** Where the library says what happened: shaped like pino, and like `console`. One line a transition, none a request. */
export interface Logger {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

/** The logger of a user, which may throw or reject without harm: that becomes a process warning. */
export function guardedLogger(logger: Logger): Logger {
  return {
    info: (details, message) => guarded(() => logger.info(details, message)),
    warn: (details, message) => guarded(() => logger.warn(details, message)),
  }
}

/** Says something that the owner of a cache should know: to the logger, or as a process warning where there is none. */
export function notify(logger: Logger | undefined, message: string, details: object = {}): void {
  if (logger === undefined) process.emitWarning(message, 'FallbackCacheWarning')
  else guarded(() => logger.warn(details, `fallback-cache: ${message}`))
}

function guarded(say: () => unknown): void {
  try {
    const said = say()
    if (said instanceof Promise) said.catch(warnOfLogger)
  } catch (thrown) {
    warnOfLogger(thrown)
  }
}

function warnOfLogger(thrown: unknown): void {
  process.emitWarning(`the logger threw: ${String(thrown)}`, 'FallbackCacheWarning')
}
