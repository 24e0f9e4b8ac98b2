import type { Cover } from '../../src/core/coherence/cover.js'

/** The keys of the simulated application; each tag belongs to some of them. */
export const tagsOf = {
  'a:1': ['odd', 'a'],
  'a:2': ['even', 'a'],
  'ab:1': ['odd'],
  'b:1': ['odd', 'b'],
  'B:1': ['odd', 'b'],
  'b:2': ['even', 'b'],
} as const satisfies Readonly<Record<string, readonly string[]>>

export type Key = keyof typeof tagsOf

export const keys = Object.keys(tagsOf) as readonly Key[]

/** Whether an invalidation reaches a key. Written down once more, so that the library is not judged by itself. */
export function reaches(cover: Cover, key: Key): boolean {
  switch (cover.kind) {
    case 'all':
      return true
    case 'key':
      return cover.key === key
    case 'tag':
      return (tagsOf[key] as readonly string[]).includes(cover.tag)
    case 'prefix':
      return cover.ignoreCase ? key.toUpperCase().startsWith(cover.prefix.toUpperCase()) : key.startsWith(cover.prefix)
  }
}

/** What a handler makes of a key: which version of the truth it read, and in which run. */
export interface Value {
  readonly key: Key
  readonly version: number
  readonly run: number
}

/** The database: what is true of each key, as a number that grows with every change. */
export class Truth {
  readonly #versions = new Map<Key, number>()

  version(key: Key): number {
    return this.#versions.get(key) ?? 0
  }

  /** Changes everything that the covers reach; gives the versions from which on a value is right. */
  change(covers: readonly Cover[]): ReadonlyMap<Key, number> {
    const changed = new Map<Key, number>()
    for (const key of keys) {
      if (!covers.some((cover) => reaches(cover, key))) continue
      const version = this.version(key) + 1
      this.#versions.set(key, version)
      changed.set(key, version)
    }
    return changed
  }
}
