// The few calls of peers that the benchmark and the comparison make; they bring no types of their own.

declare module 'apicache' {
  const apicache: {
    middleware(duration: string): import('express').RequestHandler
    clear(target?: string): unknown
  }
  export = apicache
}

declare module 'apicache-plus' {
  interface Apicache {
    middleware(duration: string): import('express').RequestHandler
    newInstance(options: { readonly redisClient?: import('ioredis').Redis }): Apicache
    getKey(parts: { readonly method: string; readonly url: string; readonly params: object }): string
    clear(target?: string): unknown
  }
  const apicache: Apicache
  export = apicache
}

declare module 'route-cache' {
  const routeCache: {
    cacheSeconds(seconds: number): import('express').RequestHandler
    config(options: { readonly cacheStore: object }): unknown
    removeCache(url: string): unknown
    clearCache(): unknown
    readonly cacheStore: object
  }
  export = routeCache
}

declare module 'route-cache/ioRedisStore.js' {
  const IoRedisStore: new (client: import('ioredis').Redis) => object
  export = IoRedisStore
}

declare module 'express-redis-cache' {
  const open: (options: { host: string; port: number; expire: number }) => {
    route(): import('express').RequestHandler
    on(event: string, listener: (error: unknown) => void): void
    del(name: string, done: () => void): void
    readonly client: { end(isFlushed: boolean): void }
  }
  export = open
}

declare module 'koa-cash' {
  const koaCash: (options: {
    get(key: string): unknown
    set(key: string, value: unknown, maxAge: number): unknown
  }) => import('koa').Middleware
  export = koaCash
}

declare module 'cacheable-response' {
  interface Exchange {
    readonly req: import('node:http').IncomingMessage
    readonly res: import('node:http').ServerResponse
  }
  const cacheableResponse: (options: {
    staleTtl?: false
    get(exchange: Exchange): Promise<{ data: unknown; ttl?: number }>
    send(answer: Exchange & { readonly data: never }): void
  }) => (exchange: Exchange) => Promise<void>
  export = cacheableResponse
}
