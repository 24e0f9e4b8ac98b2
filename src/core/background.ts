import { AsyncResource } from 'node:async_hooks'

/** The async context of background work, which belongs to no request: the one in which the cache was imported. */
export const background = new AsyncResource('FallbackCacheBackground')
