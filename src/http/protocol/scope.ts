import { sharedSymbol } from '../../core/brand.js'
import type { Exchange, FieldChanges, Recording, RequestHead } from '../port/exchange.js'
import type { Invalidations } from '../store/invalidations.js'
import type { Explanation } from './explanation.js'

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
  readonly owner: ScopeOwner
  /** Where the owner stores, to be compared part by part. */
  readonly storageScope: readonly unknown[]
  /** Why the owner passes by, if it does. */
  readonly bypass: string | undefined
  readonly recording: Recording
  /** For the copy of a request that a refresh sends, and for what was decided ahead: it has not met its owner yet. */
  isAwaited: boolean
  readonly ahead?: Ahead | undefined
}

/** A protocol as those of other middlewares know it. */
export interface ScopeOwner {
  readonly invalidations: Invalidations
  /** @param policy - takes the place of its own, where a nested middleware adds to its recorder */
  explain(exchange: () => Exchange, policy?: { readonly cacheStatus: boolean | 'debug' }): Promise<Explanation>
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
function openScope(raw: object, scope: Scope): void {
  ;(raw as Scoped)[SCOPE] = scope
}

/** Opens the scopes of one middleware. */
export class Scopes {
  readonly owner: ScopeOwner
  readonly storageScope: readonly unknown[]

  constructor(owner: ScopeOwner, storageScope: readonly unknown[]) {
    this.owner = owner
    this.storageScope = storageScope
  }

  /** @param bypass - why the owner passes by, if it does */
  open(raw: object, recording: Recording, bypass?: string): void {
    const { owner, storageScope } = this
    openScope(raw, { owner, storageScope, bypass, recording, isAwaited: false })
  }

  /** For the copy of a request that a refresh sends, which has still to meet the owner. */
  openAwaited(raw: object, recording: Recording): void {
    const { owner, storageScope } = this
    openScope(raw, { owner, storageScope, bypass: undefined, recording, isAwaited: true })
  }
}

/** Has what was decided about a request wait for it to come to the middleware. */
export function handOn(raw: object, ahead: Ahead): void {
  const scope = scopeOf(raw)
  if (scope !== undefined) openScope(raw, { ...scope, isAwaited: true, ahead })
}
