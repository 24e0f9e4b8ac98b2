import { sharedSymbol } from '../../core/brand.js'
import type { FieldChanges } from '../port/exchange.js'
import type { Recording } from '../port/recording.js'
import type { RequestHead } from '../port/request-head.js'
import type { Invalidations } from '../store/invalidations.js'
import type { ExplainedExchange } from './described-request.js'
import type { Explanation } from './explanation.js'

/** A decision made about a request before the application received it. */
export interface Ahead {
  /** The request at the time of the decision. */
  readonly head: Pick<RequestHead, 'method' | 'url' | 'protocol' | 'host' | 'otherOrigin'>
  /** The field changes that it is forwarded with. */
  readonly changes: FieldChanges | undefined
}

/** The state that the middlewares of one request share, created by the outermost middleware that handles it. */
export interface Scope {
  /** The protocol that created the scope. */
  readonly owner: ScopeOwner
  /** The storage scope of the owner, compared part by part. */
  readonly storageScope: readonly unknown[]
  /** The reason why the owner does not handle the request; `undefined` if it does. */
  readonly bypass: string | undefined
  readonly recording: Recording
  /**
   * True for the copy of a request that a refresh sends, and after a decision ahead, until the request reaches its
   * owner.
   */
  isAwaited: boolean
  readonly ahead?: Ahead | undefined
}

/** The interface of a protocol that other middlewares use. */
export interface ScopeOwner {
  readonly invalidations: Invalidations
  /** @param policy - replaces the owner's, if a nested middleware joins its recorder */
  explain(
    exchange: ExplainedExchange<object>,
    policy?: { readonly cacheStatus: boolean | 'debug' },
  ): Promise<Explanation>
}

/** A property of the request instead of a WeakMap, which every garbage collection would have to search. */
const SCOPE: unique symbol = sharedSymbol('scope') as never

interface Scoped {
  [SCOPE]?: Scope
}

/** Returns the scope of a request; `undefined` if no cache has handled it yet. */
export function scopeOf(raw: object): Scope | undefined {
  return (raw as Scoped)[SCOPE]
}

/** Creates the scope of a request, or replaces that of an outer middleware. A sealed request has none. */
function openScope(raw: object, scope: Scope): void {
  try {
    ;(raw as Scoped)[SCOPE] = scope
  } catch {
    // The adapter cannot watch it either, and aborts the recording.
  }
}

/** Creates the scopes of one middleware. */
export class Scopes {
  readonly owner: ScopeOwner
  readonly storageScope: readonly unknown[]

  constructor(owner: ScopeOwner, storageScope: readonly unknown[]) {
    this.owner = owner
    this.storageScope = storageScope
  }

  /** @param bypass - the reason why the owner does not handle the request, if so */
  open(raw: object, recording: Recording, bypass?: string): void {
    this.#open(raw, recording, bypass, false)
  }

  /** Creates the scope of a request copy that a refresh sends, which has not reached the owner yet. */
  openAwaited(raw: object, recording: Recording): void {
    this.#open(raw, recording, undefined, true)
  }

  #open(raw: object, recording: Recording, bypass: string | undefined, isAwaited: boolean): void {
    const { owner, storageScope } = this
    openScope(raw, { owner, storageScope, bypass, recording, isAwaited })
  }
}

/** Makes the decision about a request wait until the request reaches the middleware. */
export function handOn(raw: object, ahead: Ahead): void {
  const scope = scopeOf(raw)
  if (scope !== undefined) openScope(raw, { ...scope, isAwaited: true, ahead })
}
