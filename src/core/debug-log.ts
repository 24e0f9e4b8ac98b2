import { debuglog } from 'node:util'
import { sharedSymbol } from './brand.js'
import { EVENT_CHANNELS, INVALIDATIONS, REQUESTS } from './channels.js'

const log = debuglog('fallback-cache')

/** On the channel, because two copies of the package share it. */
const IS_LOGGED = sharedSymbol('debug-log')

/**
 * With `NODE_DEBUG=fallback-cache` in the environment, prints a line for each request, invalidation, outage and change
 * of the circuit breaker, on stderr.
 */
export function startDebugLog(): void {
  if (!log.enabled || Object.hasOwn(REQUESTS, IS_LOGGED)) return
  Object.defineProperty(REQUESTS, IS_LOGGED, { value: true })
  REQUESTS.subscribe((message) => log('%s', requestLine(message)))
  INVALIDATIONS.start.subscribe((message) => log('invalidate %s', list(message, 'covers')))
  for (const [name, channel] of Object.entries(EVENT_CHANNELS)) {
    channel.subscribe((message) => log('%s %s', name, details(message)))
  }
}

function requestLine(message: unknown): string {
  const told = message as Readonly<Record<string, unknown>>
  const { method, url = '' } = told.request as { readonly method?: string; readonly url?: string }
  // The query may contain what must not be in a log.
  const line = [told.result, told.tier, method, url.split('?', 1)[0]]
  for (const name of ['route', 'reason', 'ttl', 'saved']) {
    if (told[name] !== undefined) line.push(`${name}=${told[name]}${name === 'saved' ? 's' : ''}`)
  }
  return line.join(' ')
}

function list(message: unknown, name: string): string {
  return String(Reflect.get(Object(message), name))
}

function details(message: unknown): string {
  const { keyPrefix, key, cause, ...rest } = message as Readonly<Record<string, unknown>>
  return JSON.stringify(cause instanceof Error ? { ...rest, cause: cause.message } : rest)
}
