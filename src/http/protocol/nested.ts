import type { Exchange } from '../port/exchange.js'
import type { Recording } from '../port/recording.js'
import type { RequestHead } from '../port/request-head.js'
import { isFilledInput } from '../rules/filled-inputs.js'
import type { InputsRead } from '../rules/inputs-read.js'
import { matchesSelecting, selectingValues } from '../rules/vary.js'
import { isCached } from './decision.js'
import type { Standpoint } from './explain.js'
import { PassThrough } from './pass-through.js'
import { isLoggedIn } from './personal.js'
import type { Policy } from './policy.js'
import { recorderIn } from './post-answer.js'
import { ResponseRecorder } from './response-recorder.js'
import { type Ahead, type Scope, type Scopes, scopeOf } from './scope.js'

/**
 * How a middleware treats a request that another middleware has already handled:
 * - `awaited`: apply the decision that was made for it before;
 * - `silent`: leave it to the other middleware;
 * - `joining`: add options to the recorder of the other middleware;
 * - `inner`: look it up in its own storage, within the other middleware;
 * - `instead`: replace the other middleware.
 */
export type Role = 'awaited' | 'silent' | 'joining' | 'inner' | 'instead'

/** Determines the role of one middleware among those that handle the same request. */
export class Nested<Context extends object> {
  readonly #policy: Policy<Context>
  readonly #scopes: Scopes
  /** Whether it has taken over a request from an outer cache before. */
  #isInner = false

  constructor(policy: Policy<Context>, scopes: Scopes) {
    this.#policy = policy
    this.#scopes = scopes
  }

  roleIn(scope: Scope, method: string): Role {
    const { recording, owner, isAwaited, bypass } = scope
    const isOwn = owner === this.#scopes.owner
    if (isAwaited && isOwn) return 'awaited'
    if (isAwaited || isOwn || bypass === 'skip' || bypass === 'fault') return 'silent'
    // Shadow mode must not take a request from a cache, and an inner middleware does not see what an outer one answers.
    if (this.#policy.shadow !== undefined && (bypass === 'shadow' || scope.storageScope[0] !== this.#policy.engine)) {
      return 'silent'
    }
    if (this.#looksForItself(scope)) return 'inner'
    if (recorderIn(recording) !== undefined) return 'joining'
    return bypass === 'method' && isCached(method, this.#policy) ? 'instead' : 'silent'
  }

  /** Takes over a request from the middleware that currently handles it. */
  takeOver({ recording, owner }: Scope, role: 'inner' | 'instead'): void {
    // The conditions of the client are this middleware's to answer.
    recording.restore?.()
    if (recording instanceof ResponseRecorder || recording instanceof PassThrough) recording.standDown()
    if (role === 'inner') this.#isInner = true
    owner.invalidations.include(this.#scopes.owner.invalidations)
  }

  /** Determines the position from which a request is explained, among the caches that handle it. */
  standpointFor(raw: object, method: string): Standpoint<Context> {
    const unmet = this.#isInner ? 'unknown' : false
    const scope = scopeOf(raw)
    if (scope === undefined) return { nested: unmet }
    const role = this.roleIn(scope, method)
    if (role === 'inner' || role === 'instead') return { nested: role === 'inner', takesOver: true }
    const { owner } = scope
    if (owner !== this.#scopes.owner) {
      const policy = role === 'joining' ? this.#policy : undefined
      return { nested: false, decide: (exchange) => owner.explain(exchange, policy) }
    }
    return { nested: recorderIn(scope.recording)?.of.nested ?? unmet }
  }

  /**
   * Whether it uses another storage scope than the outer middleware, or must run option functions before a response is
   * used.
   */
  #looksForItself({ bypass, storageScope }: Scope): boolean {
    const { skip, allowRefresh } = this.#policy
    if (skip !== undefined || allowRefresh !== undefined) return true
    if (bypass !== undefined && bypass !== 'method') return true
    return this.#scopes.storageScope.some((part, at) => part !== storageScope[at])
  }
}

/** Whether middleware in front has changed the request since the decision was made ahead of it. */
export function isAnother({ request, user, session }: Exchange, { head }: Ahead, recording: Recording): boolean {
  if (request.rewritten !== undefined || request.begun !== undefined || request.hasBody === true) return true
  if (isLoggedIn(user, session)) return true
  if (request.originalMethod !== undefined && request.originalMethod !== head.method) return true
  const asked = recorderIn(recording)?.of.request.headers ?? request.headers
  return AHEAD.some((part) => request[part] !== head[part]) || isOtherRecord(request.headers, asked)
}

function isOtherRecord(fields: RequestHead['headers'], others: RequestHead['headers']): boolean {
  const names = Object.keys(fields)
  return names.length !== Object.keys(others).length || names.some((name) => fields[name] !== others[name])
}

/** Whether middleware in front has treated the request of a refresh in another way than that of the client. */
export function isOtherRefresh({ request }: Exchange, recording: Recording): boolean {
  const of = recorderIn(recording)?.of
  if (of === undefined) return false
  const { request: asked, selecting = '*' } = of
  if (asked.host !== request.host || asked.rewritten !== request.rewritten || asked.begun !== request.begun) return true
  const fields = selecting === '*' ? [] : selecting.filter((name) => !isFilledInput(name))
  return !matchesSelecting(fields, selectingValues(fields, asked.headers), request.headers)
}

const AHEAD = ['method', 'url', 'protocol', 'host', 'otherOrigin'] as const

/** Makes a decision without recording the values it reads as inputs of the run that the request is part of. */
export function unwatched<Outcome>(
  inputs: InputsRead,
  decide: () => Outcome | Promise<Outcome>,
): Outcome | Promise<Outcome> {
  inputs.pause()
  try {
    const decision = decide()
    if (!(decision instanceof Promise)) {
      inputs.resume()
      return decision
    }
    return decision.finally(() => inputs.resume())
  } catch (thrown) {
    inputs.resume()
    throw thrown
  }
}
