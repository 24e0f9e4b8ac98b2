import type { EventEmitter } from 'node:events'
import { textOf } from '../errors.js'
import type { Connecting } from './fresh-credentials.js'
import type { IoredisLike } from './redis-client.js'

/** The parts of the package `ioredis` that this package uses. */
export interface Ioredis {
  readonly Redis: new (options: object) => IoredisLike & Connecting & EventEmitter
  readonly Cluster: new (nodes: readonly object[], options: object) => IoredisLike & { quit(): Promise<unknown> }
}

/** The error for a Redis URL if `ioredis` cannot be loaded; its message names the remedy. */
export function withoutIoredis(cause: unknown): TypeError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  // The second is that of CommonJS, and of bundlers.
  const isAbsent = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
  const why = isAbsent ? '' : `, which cannot be loaded (${textOf(cause)})`
  return new TypeError(`a redis URL needs the package "ioredis"${why}: ${REMEDY}`, { cause })
}

const REMEDY =
  'npm install ioredis (before a bundle is made, or beside a bundle that leaves it out), or pass your own client'
