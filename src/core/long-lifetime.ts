import { type Logger, notify } from './logger.js'

const LONGEST = 30 * 24 * 3600
/** Messages already logged, because a route that refines a cache reads the same options again. Bounded. */
const said = new Set<string>()

/** Warns once per option and value if a number of seconds is so large that milliseconds may be intended. */
export function noteLongLifetime(value: unknown, name: string, logger: Logger | undefined): void {
  if (typeof value !== 'number' || value <= LONGEST || said.size >= 100) return
  const message =
    `${name} is ${value} seconds, more than 30 days. Is it meant in milliseconds? ` +
    `Write "${value}ms" if so, or "${Math.round(value / 86_400)} days" if not`
  if (said.has(message)) return
  said.add(message)
  notify(logger, message)
}
