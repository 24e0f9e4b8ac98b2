import type { Load } from '../load/load.js'
import { uniform } from '../load/uniform.js'
import { zipf } from '../load/zipf.js'

/** What a candidate is profiled under. */
export interface ProfiledLoad extends Pick<Load, 'paths' | 'unique' | 'method'> {
  /** Bytes of a page. @defaultValue 1024 */
  readonly size?: number
  /** @defaultValue 20,000 */
  readonly maxEntries?: number
  /** Whether the client has the page, and says so by its ETag. */
  readonly revalidates?: boolean
  /** How many processes run on the core of servers, of which one is profiled. @defaultValue 1 */
  readonly processes?: number
  /** Whether Redis is killed before anything is measured. */
  readonly isRedisGone?: boolean
}

const oneKey = ['/page/1']

/** What can be asked for, by name. */
export const loads: Readonly<Record<string, ProfiledLoad>> = {
  hit: { paths: oneKey },
  'hit-64k': { paths: oneKey, size: 65_536 },
  zipf: { paths: zipf(10_000, 50_000) },
  keys: { paths: uniform(100_000), maxEntries: 200_000 },
  '304': { paths: oneKey, revalidates: true },
  head: { paths: oneKey, method: 'HEAD' },
  miss: { paths: ['/page/new'], unique: true },
  post: { paths: oneKey, method: 'POST' },
  processes: { paths: oneKey, processes: 4 },
  outage: { paths: ['/page/new'], unique: true, isRedisGone: true },
}
