import { type Channel, channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import type { AnswerTier, RequestResult } from './meters.js'

/** The message of `fallback-cache:request`: a request was answered, or its answer begins. */
export interface RequestMessage {
  /** The option `keyPrefix` of the cache. */
  readonly keyPrefix: string
  /** The request of Node.js (`http.IncomingMessage`). */
  readonly request: object
  readonly result: RequestResult
  readonly tier: AnswerTier
  /** The pattern of the route; `undefined` if it is not known. */
  readonly route: string | undefined
  /** Why no stored response was used; `undefined` if one was. */
  readonly reason: string | undefined
  /** Remaining lifetime of the stored response in seconds, negative once it is stale; `undefined` if none was used. */
  readonly ttl: number | undefined
  /** Bytes of the body that is sent from the cache; `undefined` if the handler sends one. */
  readonly size: number | undefined
  /** The handler time that was saved, in seconds; `undefined` if the handler has run. */
  readonly saved: number | undefined
}

/** The message of the tracing channel `fallback-cache:handler`: a handler run for a request or a refresh. */
export interface HandlerMessage {
  readonly keyPrefix: string
  /** The request of Node.js (`http.IncomingMessage`); for a refresh, the one that is made for it. */
  readonly request: object
  readonly key: string
  /** Why no stored response was used. */
  readonly reason: string
  /** From `asyncStart` on: the pattern of the route; `undefined` if it is not known. */
  route?: string | undefined
  /** From `asyncStart` on: the time until the response began, in seconds. */
  seconds?: number
  /** From `asyncStart` on: whether the response was stored. */
  result?: boolean
}

/** The message of the tracing channel `fallback-cache:store`: an entry is stored, in memory and in Redis. */
export interface StoreMessage {
  readonly keyPrefix: string
  readonly key: string
  readonly tags: readonly string[]
  /** Bytes of the body. */
  readonly size: number
  /** From `asyncStart` on: whether Redis has it. */
  result?: boolean
}

/** The message of the tracing channel `fallback-cache:invalidate`. */
export interface InvalidateMessage {
  readonly keyPrefix: string
  /** What is invalidated, in the format of the log: a letter for the kind, then the name. */
  readonly covers: readonly string[]
  /** From `asyncStart` on: whether it takes effect in every process. */
  result?: { readonly durable: boolean }
}

/** Published once for each request; without subscribers, a hit pays for one comparison. */
export const REQUESTS: Channel = channel('fallback-cache:request')

export const HANDLERS: TracingChannel<unknown, HandlerMessage> = tracingChannel('fallback-cache:handler')
export const STORES: TracingChannel<unknown, StoreMessage> = tracingChannel('fallback-cache:store')
export const INVALIDATIONS: TracingChannel<unknown, InvalidateMessage> = tracingChannel('fallback-cache:invalidate')

/** The channels of events of the cache; their messages are the payloads of the events, with the key prefix. */
export const EVENT_CHANNELS: Readonly<Record<string, Channel>> = {
  circuit: channel('fallback-cache:circuit'),
  outage: channel('fallback-cache:outage'),
  recovery: channel('fallback-cache:recovery'),
  skip: channel('fallback-cache:skip'),
}

/** Whether a tracing channel has subscribers; not in the declarations of Node.js 20, which has it since 20.13. */
export function isTraced(tracing: object): boolean {
  return 'hasSubscribers' in tracing && tracing.hasSubscribers === true
}
