import { brand } from '../../core/brand.js'
import type { Onward, Recording, ResponseHead } from '../port/recording.js'
import type { Reply } from '../port/reply.js'
import type { RequestHead } from '../port/request-head.js'
import type { ResponseHandle } from '../port/response-handle.js'
import { invalidatedGroups } from '../rules/groups.js'
import { invalidatedTargets, isNonError, isSafe } from '../rules/invalidation.js'
import { CACHE_NAME } from '../store/stored-response.js'
import { appendCacheStatus, type CacheStatus, cacheStatusMember } from '../syntax/cache-status.js'
import { type FieldList, fieldValue } from '../syntax/fields.js'
import { type Retiring, retireTargets } from './retiring.js'
import type { Tally } from './tally.js'

/** Sends the handler's response unchanged, without recording it. */
export const AS_IT_IS: Onward = { fields: [], instead: undefined, record: false, before: undefined }

/**
 * A recording that observes nothing, for a middleware whose work another middleware of the same request has taken over.
 */
export class Unrecorded implements Recording {
  readonly wants: Recording['wants'] = 'head'
  readonly handle: ResponseHandle

  constructor(handle: ResponseHandle) {
    this.handle = handle
  }

  begin(_head: ResponseHead, _whole?: Uint8Array | string): Onward {
    return AS_IT_IS
  }

  write(_chunk?: Uint8Array | string): boolean {
    return false
  }

  pause(): void {}

  resume(): void {}

  end(): void {}

  leave(): void {}

  abort(_reason?: 'aborted' | 'trailers' | 'fault'): void {}

  fail(_error?: unknown): Reply | undefined {
    return undefined
  }
}

/** A recording for responses that the cache does not handle: it only adds Cache-Status. */
export class PassThrough extends Unrecorded {
  #standsDown = false
  readonly #status: CacheStatus | undefined
  /** Counts the request; `undefined` if another recording does. */
  readonly tally: Tally | undefined

  /** @param status - `undefined` if no Cache-Status is sent */
  constructor(handle: ResponseHandle, status: CacheStatus | undefined, tally: Tally | undefined) {
    super(handle)
    this.#status = status
    this.tally = tally
  }

  override begin(head: ResponseHead): Onward {
    this.tally?.count()
    if (this.#status === undefined || this.#standsDown) return AS_IT_IS
    const fields = cacheStatusField(head, this.#status)
    return { fields, checkedNames: CACHE_STATUS, instead: undefined, record: false, before: undefined }
  }

  /** As {@link standDown}, for a middleware that makes its decision again. */
  giveUp(): void {
    this.standDown()
  }

  /** Stops adding Cache-Status, because an inner middleware does the work. */
  standDown(): void {
    this.#standsDown = true
    this.tally?.leave()
  }
}

/** The parameters of an invalidation by an unsafe request. */
export interface Invalidates {
  readonly request: RequestHead
  /** The middlewares whose stored responses are invalidated. */
  readonly retiring: readonly Retiring[]
  readonly onFault: (thrown: unknown) => void
  /** Counts the request; `undefined` if another recording does. */
  readonly tally: Tally | undefined
}

/**
 * Observes the response to an unsafe method. If it is successful, the stored responses for its target are invalidated
 * before the client receives it (RFC 9111, section 4.4; RFC 9875, section 3).
 */
export class Invalidating extends PassThrough {
  readonly #request: RequestHead
  #retiring: readonly Retiring[]
  readonly #onFault: (thrown: unknown) => void

  constructor(handle: ResponseHandle, status: CacheStatus | undefined, of: Invalidates) {
    const { request, retiring, onFault, tally } = of
    super(handle, status, tally)
    this.#request = request
    this.#retiring = retiring
    this.#onFault = onFault
  }

  override begin(head: ResponseHead): Onward {
    const onward = super.begin(head)
    try {
      const done = this.#invalidate(head)
      return done.length > 0 ? { ...onward, before: Promise.allSettled(done) } : onward
    } catch (thrown) {
      this.#onFault(thrown)
      return onward
    }
  }

  /** Hands over its invalidations to an inner middleware, and returns them. */
  release(): readonly Retiring[] {
    const released = this.#retiring
    this.#retiring = []
    return released
  }

  #invalidate(head: ResponseHead): readonly Promise<unknown>[] {
    const { method, protocol, host, url } = this.#request
    const { status } = head
    if (isSafe(method) || !isNonError(status)) return NOTHING_DONE
    const fields = {
      location: head.field('location'),
      'content-location': head.field('content-location'),
      'cache-group-invalidation': head.field('cache-group-invalidation'),
    }
    const targets = invalidatedTargets({ method, protocol, host, url }, { status, fields })
    const groups = invalidatedGroups(method, status, fields)
    const done = targets.length === 0 ? NOTHING_DONE : retireTargets(this.#retiring, targets)
    if (groups.length === 0) return done
    const origin = `${protocol}://${host.toLowerCase()}`
    return [...done, ...this.#retiring.map(({ invalidations }) => invalidations.invalidateGroups(origin, groups))]
  }
}

/** Adds this cache's member to Cache-Status, after those of caches closer to the origin. */
export function cacheStatusField(head: ResponseHead, status: CacheStatus): FieldList {
  const upstream = fieldValue({ upstream: head.field('cache-status') }, 'upstream')
  return ['Cache-Status', appendCacheStatus(upstream, cacheStatusMember(CACHE_NAME, status))]
}

/** The names of {@link cacheStatusField}, whose value has only characters that a field may have. */
export const CACHE_STATUS: readonly string[] = Object.freeze(['cache-status'])

const NOTHING_DONE: readonly Promise<unknown>[] = Object.freeze([])

brand(PassThrough, 'pass-through')
brand(Invalidating, 'invalidating')
