import { type CallHandler, type ExecutionContext, type NestInterceptor, SetMetadata } from '@nestjs/common'
import { Reflector } from '@nestjs/core'
import type { Request, Response } from 'express'
import { FallbackCache, type FallbackCacheOptions, type Invalidation } from 'fallback-cache'
import { type FallbackCacheMiddleware, fallbackCache } from 'fallback-cache/express'
import { Observable } from 'rxjs'

/** The options of one handler: those of the middleware, but for the cache itself, which all handlers share. */
export type CachedOptions = Parameters<FallbackCacheMiddleware['with']>[0]

const CACHED = 'fallback-cache'

/** Has the answers of a handler, or of all handlers of a controller, cached: `@Cached({ ttl: '5m' })`. */
export function Cached(options: CachedOptions = {}): MethodDecorator & ClassDecorator {
  return SetMetadata(CACHED, options)
}

/**
 * A cache behind the guards: they run for every request, and whoever they refuse sees nothing that is stored. Pipes and
 * the handler run on a miss only. An answer is stored as it leaves: status, fields and bytes.
 *
 * ```ts
 * { provide: APP_INTERCEPTOR, useFactory: () => new FallbackCacheInterceptor({ redis: process.env.REDIS_URL }) }
 * ```
 *
 * It is to be the first interceptor: those in front of it see no answer when there is a hit. Answers to requests with
 * credentials are not shared unless the handler says for whom they are: `user: () => 'members'` for all that the guards
 * let pass, `user: (request) => request.user?.id` for each their own.
 */
export class FallbackCacheInterceptor implements NestInterceptor {
  readonly #cache: FallbackCache
  readonly #reflector = new Reflector()
  readonly #byOptions = new Map<CachedOptions, FallbackCacheMiddleware>()
  /** Stores nothing by itself: an unsafe method that succeeds invalidates what is stored for its path. */
  readonly #plain: FallbackCacheMiddleware

  constructor(options: FallbackCacheOptions = {}) {
    this.#cache = new FallbackCache(options)
    this.#plain = fallbackCache({ cache: this.#cache })
  }

  intercept(context: ExecutionContext, handler: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return handler.handle()
    const http = context.switchToHttp()
    const request = http.getRequest<Request>()
    const options = this.#reflector.getAllAndOverride<CachedOptions | undefined>(CACHED, [
      context.getHandler(),
      context.getClass(),
    ])
    if (options === undefined && (request.method === 'GET' || request.method === 'HEAD')) return handler.handle()
    const cached = options === undefined ? this.#plain : this.#with(options)
    // On a hit the answer is sent, and Nest, which hears of no value, sends none.
    return new Observable((subscriber) => {
      cached(request, http.getResponse<Response>(), (error) => {
        if (error === undefined) subscriber.add(handler.handle().subscribe(subscriber))
        else subscriber.error(error)
      })
    })
  }

  /** Takes out of use what is stored for a path and below it. */
  invalidate(path: string | readonly (string | number)[]): Promise<Invalidation> {
    return typeof path === 'string' ? this.#plain.invalidate(path) : this.#plain.invalidate(path)
  }

  /** Called by Nest when the application closes. */
  onApplicationShutdown(): Promise<void> {
    return this.#cache.close()
  }

  #with(options: CachedOptions): FallbackCacheMiddleware {
    const known = this.#byOptions.get(options)
    if (known !== undefined) return known
    const made = this.#plain.with(options)
    this.#byOptions.set(options, made)
    return made
  }
}
