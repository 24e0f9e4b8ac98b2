/**
 * What is written down of a run. All moments are milliseconds of `process.hrtime`, which is one clock for all processes
 * of a machine.
 */
export type SoakRecord = Read | Write | Run | LinkChange | QuietSet | QuietRead | Cleared | Trouble | Footprint

/** A lookup, and what it gave. */
export interface Read {
  readonly type: 'read'
  /** The process: its letter, and which life of it. */
  readonly by: string
  readonly resource: string
  readonly how: 'find' | 'get' | 'getOrSet' | 'http'
  readonly startAt: number
  readonly endAt: number
  /** `undefined` when there was nothing. */
  readonly version: number | undefined
  /** Which run of a handler made it. */
  readonly run: string | undefined
  /** Whether the cache trusted Redis all the while, and said so. */
  readonly isConnected: boolean
  /**
   * Whether Redis answered everything it was asked in this time. If not, memory may have answered by the log alone, which
   * says nothing of unsafe requests.
   */
  readonly isAnswered: boolean
}

/** A change of the truth, and the invalidation that follows it. */
export interface Write {
  readonly type: 'write'
  readonly by: string
  readonly cover: string
  /** For each resource it changed, the version from which on an answer is right. */
  readonly versions: Readonly<Record<string, number>>
  readonly startAt: number
  /** When the call had returned, or the response had come: from here on the own process is bound. */
  readonly heldAt: number
  /**
   * When it was settled. For an unsafe request: when its process had nothing left to tell Redis; `Infinity` if it stopped
   * before that.
   */
  readonly endAt: number
  /** `undefined` for an unsafe request, which binds other processes within bounds of its own. */
  readonly durable: boolean | undefined
}

/** One run of a handler. */
export interface Run {
  readonly type: 'run'
  readonly by: string
  readonly run: string
  readonly resource: string
  readonly version: number
  readonly startAt: number
  readonly endAt: number
}

/** A process lost Redis, or trusts it again. */
export interface LinkChange {
  readonly type: 'link'
  readonly by: string
  readonly at: number
  readonly isConnected: boolean
  /** Invalidations that had been answered and that Redis did not have, at a recovery. */
  readonly owed: number
}

/** A value that no process ever invalidates was stored. */
export interface QuietSet {
  readonly type: 'quiet-set'
  readonly by: string
  readonly key: string
  readonly startAt: number
  readonly endAt: number
}

/** The process that stored it asks for it. */
export interface QuietRead {
  readonly type: 'quiet-read'
  readonly by: string
  readonly key: string
  readonly startAt: number
  readonly endAt: number
  readonly isFound: boolean
  readonly isConnected: boolean
}

/** Everything was invalidated in the cache of a process for values that no process invalidates: by a record, or as it missed some. */
export interface Cleared {
  readonly type: 'cleared'
  readonly by: string
  readonly at: number
}

/** What must not happen: an unhandled rejection, a warning, a failed request. */
export interface Trouble {
  readonly type: 'trouble'
  readonly by: string
  readonly at: number
  readonly text: string
}

/** The size of a process, or of the data in Redis, at one moment. */
export interface Footprint {
  readonly type: 'footprint'
  /** The process, or `redis`. */
  readonly by: string
  readonly at: number
  /** Bytes where the name says so, else numbers of things. */
  readonly sizes: Readonly<Record<string, number>>
}

/** Something that was done to the machines, from when to when. */
export interface Disaster {
  readonly text: string
  /** The letters of the processes that it hit; all of them when it hit Redis. */
  readonly victims: readonly string[]
  readonly startAt: number
  readonly endAt: number
  /**
   * What it did to the data of Redis, if anything. `everything perhaps`: any key may be gone, which may look like an
   * accident to one process and like a flush to another. `tombstones`: only those of requests, which were refused.
   */
  readonly loses?: 'everything by accident' | 'everything on purpose' | 'everything perhaps' | 'entries' | 'tombstones'
}

/** All that is known of a run. */
export interface History {
  readonly records: readonly SoakRecord[]
  readonly disasters: readonly Disaster[]
  /** Keys of quiet values that Redis had, of those stored before `askedAt`. */
  readonly quietInRedis: ReadonlySet<string>
  readonly askedAt: number
  /** Processes that are there at the end. */
  readonly alive: ReadonlySet<string>
  readonly startAt: number
  readonly endAt: number
  /** Milliseconds, as the caches were told. */
  readonly maxStale: number
  /** Milliseconds for which memory answers without looking at the log; 0 when every read asks Redis. */
  readonly lease: number
  /** Whether C11 is promised. */
  readonly confirms: boolean
  /** The letter of the process whose wall clock is wrong. */
  readonly skewed: string
}

/** Now, on the clock of the machine; milliseconds. */
export function moment(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
