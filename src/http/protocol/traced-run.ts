import { HANDLERS, isTraced } from '../../core/channels.js'
import { type CacheEngine, ENGINE } from '../../core/engine.js'
import type { Exchange } from '../port/exchange.js'
import type { Forwarding } from './forwarding.js'
import { HandlerTrace } from './handler-trace.js'
import { recorderIn } from './post-answer.js'

/** Forwards a request: in a trace of the handler run, if the channel has subscribers. */
export function forwardTraced<Context extends object>(
  exchange: Exchange<Context>,
  { recording, changes }: Forwarding,
  cache: Pick<CacheEngine, 'keyPrefix'>,
): void | Promise<void> {
  const recorder = isTraced(HANDLERS) ? recorderIn(recording) : undefined
  // In front of the application, the same run is forwarded twice.
  if (recorder === undefined || recorder.trace !== undefined) return exchange.forward(recording, changes)
  const { key, tally } = recorder.of
  const message = { keyPrefix: cache.keyPrefix, request: exchange.raw, key: key.text, reason: tally.reason }
  // Caches may have the same prefix.
  Object.defineProperty(message, ENGINE, { value: cache })
  recorder.trace = new HandlerTrace(message)
  return recorder.trace.start(() => exchange.forward(recording, changes))
}
