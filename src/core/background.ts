import { AsyncResource } from 'node:async_hooks'

/** An async context that keeps no process alive: Jest asks for `hasRef` before it reports an open handle. */
class Background extends AsyncResource {
  hasRef(): boolean {
    return false
  }
}

/** The async context of background work, which belongs to no request: the one in which the cache was imported. */
export const background = new Background('FallbackCacheBackground')
