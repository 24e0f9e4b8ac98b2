import {
  type CallHandler,
  type DynamicModule,
  type ExecutionContext,
  type InjectionToken,
  Module,
  type ModuleMetadata,
  type NestInterceptor,
  type OptionalFactoryDependency,
  SetMetadata,
} from '@nestjs/common'
import { APP_INTERCEPTOR, ApplicationConfig, Reflector } from '@nestjs/core'
import type { Request, Response } from 'express'
import { Observable } from 'rxjs'
import type { InvalidateOptions, Invalidation } from '../index.js'
import { type FallbackCacheMiddleware, fallbackCache, type MiddlewareOptions } from '../middleware/express.js'
import { CHOSEN_HANDLER } from './chosen-handler.js'
import { list } from './shown-values.js'

/** The options of one handler: those of the middleware, except for the cache itself, which all handlers share. */
export type CachedOptions = Parameters<FallbackCacheMiddleware['with']>[0]

/**
 * Options that the injector makes:
 * `FallbackCacheModule.forRootAsync({ imports: [ConfigModule], inject: [ConfigService], useFactory: (config) => … })`.
 */
export interface AsyncOptions {
  /** The modules that export the providers in `inject`; not needed for those of global modules. */
  readonly imports?: ModuleMetadata['imports']
  readonly inject?: (InjectionToken | OptionalFactoryDependency)[]
  useFactory(...injected: never[]): MiddlewareOptions | Promise<MiddlewareOptions>
}

const CACHED = 'fallback-cache'

/**
 * Turns caching on for a handler, or for all handlers of a controller: `@Cached({ ttl: '5m' })`.
 *
 * @throws TypeError or RangeError for invalid options
 */
export function Cached(options: CachedOptions = {}, ...rest: readonly never[]): MethodDecorator & ClassDecorator {
  if (rest.length > 0 || typeof options === 'function') {
    throw new TypeError('@Cached must be called, with one object of options: write @Cached() or @Cached({ ttl: 60 })')
  }
  CHECKING.with(options)
  return SetMetadata(CACHED, options)
}

/** A middleware that stores nothing, whose `with` checks options when a program is loaded instead of at a request. */
const CHECKING = fallbackCache({ enabled: false })

/**
 * The cache of a NestJS application on Express:
 *
 * ```ts
 * @Module({ imports: [FallbackCacheModule.forRoot({ redis: process.env.REDIS_URL })] })
 * ```
 *
 * It provides {@link FallbackCacheInterceptor} for all controllers, and for injection where responses are invalidated.
 */
// biome-ignore lint/complexity/noStaticOnlyClass: Nest identifies a module by its class.
export class FallbackCacheModule {
  /**
   * @param options - those of the middleware; `@Cached()` takes other ones for its handlers
   * @throws TypeError or RangeError for invalid options
   */
  static forRoot(options: MiddlewareOptions = {}): DynamicModule {
    return moduleOf({ useFactory: () => new FallbackCacheInterceptor(options) })
  }

  /** Like {@link FallbackCacheModule.forRoot}, with options that depend on other providers. */
  static forRootAsync({ imports = [], inject = [], useFactory }: AsyncOptions): DynamicModule {
    const module = moduleOf({
      inject,
      useFactory: async (...injected: never[]) => new FallbackCacheInterceptor(await useFactory(...injected)),
    })
    return { ...module, imports }
  }
}

/** The interceptor that runs for every request, and the only object through which it is reached. */
function moduleOf(
  provider: Pick<AsyncOptions, 'inject'> & { useFactory: (...injected: never[]) => unknown },
): DynamicModule {
  return {
    module: FallbackCacheModule,
    global: true,
    providers: [
      { provide: FallbackCacheInterceptor, ...provider },
      { provide: APP_INTERCEPTOR, useExisting: FallbackCacheInterceptor },
      { provide: ORDER, inject: [ApplicationConfig], useFactory: orderCheck },
    ],
    exports: [FallbackCacheInterceptor],
  }
}

const ORDER = Symbol('fallback-cache.order')

/** Warns, once the application is started, of interceptors that run in front of the cache. */
function orderCheck(config: ApplicationConfig) {
  return {
    onApplicationBootstrap(): void {
      const all = config.getGlobalInterceptors()
      const inFront = all.slice(
        0,
        Math.max(
          0,
          all.findIndex((one) => one instanceof FallbackCacheInterceptor),
        ),
      )
      if (inFront.length === 0) return
      const names = inFront.map((one) => one.constructor.name).join(', ')
      process.emitWarning(
        `the APP_INTERCEPTOR ${names} runs in front of the cache: what it adds to a result from data of one visitor is ` +
          'stored for all. Mount it with app.useGlobalInterceptors() or @UseInterceptors(), so that it runs behind the cache.',
        'FallbackCacheWarning',
      )
    },
  }
}

/**
 * A cache behind the guards: guards run for every request, and a request that they refuse gets nothing that is stored.
 * Pipes and the handler run on a miss only. A response is stored as it is sent: status, fields and bytes.
 *
 * It must be the first interceptor: interceptors in front of it see no response on a hit. Responses to requests with
 * credentials are not shared unless the handler says for whom they are: `user: () => 'members'` for all requests that
 * the guards accept, `user: (request) => request.user?.id` for each user separately.
 */
export class FallbackCacheInterceptor implements NestInterceptor {
  readonly #reflector = new Reflector()
  readonly #byOptions = new Map<CachedOptions, FallbackCacheMiddleware>()
  /**
   * The middleware without the options of a handler, for `stats`, `invalidateTags`, `explain` and `dashboard`. It stores
   * nothing by itself; a successful unsafe request invalidates what is stored for its path.
   */
  readonly cached: FallbackCacheMiddleware

  /** @throws TypeError or RangeError for invalid options */
  constructor(options: MiddlewareOptions = {}) {
    this.cached = fallbackCache(options)
  }

  /** Called by Nest for each request. */
  intercept(context: ExecutionContext, handler: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return handler.handle()
    const http = context.switchToHttp()
    const request = http.getRequest<Request>()
    const options = this.#reflector.getAllAndOverride<CachedOptions | undefined>(CACHED, [
      context.getHandler(),
      context.getClass(),
    ])
    if (options === undefined && (request.method === 'GET' || request.method === 'HEAD')) return handler.handle()
    checkIsExpress(request)
    const version: unknown = this.#reflector.getAllAndOverride(VERSION, [context.getHandler(), context.getClass()])
    if (version !== undefined) {
      // The classes of two versions often have the same name.
      const name = `${context.getClass().name}.${context.getHandler().name}`
      Reflect.set(request, CHOSEN_HANDLER, `${name} ${[version].flat().map(String).join()}`)
    }
    const cached = options === undefined ? this.cached : this.#with(options)
    // On a hit the response is sent, and Nest, which receives no value, sends none.
    return new Observable((subscriber) => {
      cached(request, http.getResponse<Response>(), (error) => {
        if (hasOwnProviders(request)) list(request.headers)
        if (error === undefined) subscriber.add(handler.handle().subscribe(subscriber))
        else subscriber.error(error)
      })
    })
  }

  /** Invalidates the stored responses of a path and of all paths below it. See `invalidate` of the middleware. */
  invalidate(path: string | readonly (string | number)[], options: InvalidateOptions = {}): Promise<Invalidation> {
    return typeof path === 'string' ? this.cached.invalidate(path, options) : this.cached.invalidate(path, options)
  }

  /** Closes the cache. Called by Nest when the application closes, if shutdown hooks are enabled. */
  onApplicationShutdown(): Promise<void> {
    return this.cached.close()
  }

  #with(options: CachedOptions): FallbackCacheMiddleware {
    const known = this.#byOptions.get(options)
    if (known !== undefined) return known
    const made = this.cached.with(options)
    this.#byOptions.set(options, made)
    return made
  }
}

const IMPORTED = Symbol('fallback-cache.imported')

/** Throws when the application starts if it imports the module itself, which would leave `@Cached()` without effect. */
function checkIsConfigured(interceptor: FallbackCacheInterceptor | undefined): boolean {
  if (interceptor !== undefined) return true
  throw new TypeError('FallbackCacheModule was imported without its options: write FallbackCacheModule.forRoot({})')
}

Module({
  providers: [
    {
      provide: IMPORTED,
      inject: [{ token: FallbackCacheInterceptor, optional: true }],
      useFactory: checkIsConfigured,
    },
  ],
})(FallbackCacheModule)

/** Where Nest keeps what `@Version` says: a handler is then chosen by more than the URL, such as a field. */
const VERSION = '__version__'

/** Whether Nest has made providers for this request alone, before the cache: their constructors may have read anything. */
function hasOwnProviders(request: Request): boolean {
  return Object.getOwnPropertySymbols(request).some(({ description }) => description === 'REQUEST_CONTEXT_ID')
}

/** @throws TypeError for a request of Fastify, which keeps that of Node.js in `raw` */
function checkIsExpress(request: Request): void {
  if ('raw' in request)
    throw new TypeError(
      'fallback-cache/nestjs is for NestJS on Express. On Fastify: app.register(fallbackCache(options)) of fallback-cache/fastify',
    )
}
