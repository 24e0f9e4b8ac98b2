import { sharedSymbol } from '../../core/brand.js'
import type { FieldChanges, Recording, RequestHead } from '../port/exchange.js'

/** What was decided about a request before the application had it. */
export interface Ahead {
  /** The request as it was then. */
  readonly head: Pick<RequestHead, 'method' | 'url' | 'protocol' | 'host' | 'otherOrigin'>
  /** What it is to be forwarded with. */
  readonly changes: FieldChanges | undefined
}

/** What the middlewares of one request know of each other: the outermost one that looked at it opens it. */
export interface Scope {
  /** The protocol that opened it. */
  readonly owner: object
  /** Where the owner stores, to be compared part by part. */
  readonly storageScope: readonly unknown[]
  /** Why the owner passes by, if it does. */
  readonly bypass: string | undefined
  readonly recording: Recording
  /** For the copy of a request that a refresh sends, and for what was decided ahead: it has not met its owner yet. */
  isAwaited: boolean
  readonly ahead?: Ahead | undefined
}

/** A property, for a map of requests would be looked through at every collection of garbage. */
const SCOPE: unique symbol = sharedSymbol('scope') as never

interface Scoped {
  [SCOPE]?: Scope
}

/** The scope of a request; `undefined` when no cache has looked at it yet. */
export function scopeOf(raw: object): Scope | undefined {
  return (raw as Scoped)[SCOPE]
}

/** Opens the scope of a request, or replaces that of an outer middleware. */
export function openScope(raw: object, scope: Scope): void {
  ;(raw as Scoped)[SCOPE] = scope
}

/** Has what was decided about a request wait for it to come to the middleware. */
export function handOn(raw: object, ahead: Ahead): void {
  const scope = scopeOf(raw)
  if (scope !== undefined) openScope(raw, { ...scope, isAwaited: true, ahead })
}
