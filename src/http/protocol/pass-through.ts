import { brand } from '../../core/brand.js'
import type { Onward, Recording, Reply, RequestHead, ResponseHead } from '../port/exchange.js'
import type { ResponseHandle } from '../port/response-handle.js'
import { invalidatedGroups } from '../rules/groups.js'
import { invalidatedTargets, isSafe } from '../rules/invalidation.js'
import { CACHE_NAME } from '../store/stored-response.js'
import { appendCacheStatus, type CacheStatus, cacheStatusMember } from '../syntax/cache-status.js'
import { type FieldList, type Fields, type FieldValue, fieldValue } from '../syntax/fields.js'
import { type Retiring, retireTargets } from './retiring.js'

/** An answer that goes on as it is. */
export const AS_IT_IS: Onward = { fields: [], instead: undefined, record: false, before: undefined }

/** Watches nothing: for a middleware that another one of the same request has taken the work from. */
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

  leave(_mayKnow?: () => boolean): void {}

  abort(_reason?: 'aborted' | 'trailers'): void {}

  fail(_error?: unknown): Reply | undefined {
    return undefined
  }
}

/** Watches an answer that the cache has no part in, to say so in Cache-Status. */
export class PassThrough extends Unrecorded {
  #standsDown = false
  readonly #status: CacheStatus | undefined

  /** @param status - `undefined`: no Cache-Status */
  constructor(handle: ResponseHandle, status: CacheStatus | undefined) {
    super(handle)
    this.#status = status
  }

  override begin(head: ResponseHead): Onward {
    if (this.#status === undefined || this.#standsDown) return AS_IT_IS
    return { ...AS_IT_IS, fields: cacheStatusField(head, this.#status) }
  }

  /** As {@link standDown}, for the same middleware, which decides anew. */
  giveUp(): void {
    this.standDown()
  }

  /** Says nothing any more: a middleware further in does the work. */
  standDown(): void {
    this.#standsDown = true
  }
}

/** What an unsafe request invalidates. */
export interface Invalidates {
  readonly request: RequestHead
  /** The middlewares whose stored responses it takes out of use. */
  readonly retiring: readonly Retiring[]
  readonly onFault: (thrown: unknown) => void
}

/**
 * Watches the answer to a method that is not safe: when it succeeds, what is stored for its target is taken out of use
 * before the client hears of the success (RFC 9111, section 4.4; RFC 9875, section 3).
 */
export class Invalidating extends PassThrough {
  readonly #request: RequestHead
  #retiring: readonly Retiring[]
  readonly #onFault: (thrown: unknown) => void

  constructor(handle: ResponseHandle, status: CacheStatus | undefined, { request, retiring, onFault }: Invalidates) {
    super(handle, status)
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

  /** Leaves what it would have invalidated to a middleware further in. */
  release(): readonly Retiring[] {
    const released = this.#retiring
    this.#retiring = []
    return released
  }

  #invalidate(head: ResponseHead): readonly Promise<unknown>[] {
    const { method, protocol, host, url } = this.#request
    if (isSafe(method)) return []
    const fields = this.#fieldsOf(head)
    const targets = invalidatedTargets({ method, protocol, host, url }, { status: head.status, fields })
    const groups = invalidatedGroups(method, head.status, fields)
    const done = targets.length === 0 ? [] : retireTargets(this.#retiring, targets)
    if (groups.length === 0) return done
    const origin = `${protocol}://${host.toLowerCase()}`
    return [...done, ...this.#retiring.map(({ invalidations }) => invalidations.invalidateGroups(origin, groups))]
  }

  #fieldsOf(head: ResponseHead): Fields {
    const fields: Record<string, FieldValue | undefined> = {}
    for (const name of INVALIDATING_FIELDS) fields[name] = head.field(name)
    return fields
  }
}

/** Our member of Cache-Status, after those of the caches nearer to the origin. */
export function cacheStatusField(head: ResponseHead, status: CacheStatus): FieldList {
  const upstream = fieldValue({ upstream: head.field('cache-status') }, 'upstream')
  return ['Cache-Status', appendCacheStatus(upstream, cacheStatusMember(CACHE_NAME, status))]
}

const INVALIDATING_FIELDS = ['location', 'content-location', 'cache-group-invalidation'] as const

brand(PassThrough, 'pass-through')
brand(Invalidating, 'invalidating')
