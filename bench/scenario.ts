import type { RedisServer } from '../test/support/redis-server.js'

/** What a scenario finds when it runs. */
export interface Surroundings {
  /** The node binary of the candidates. */
  readonly node: string
  /** `undefined`: there is none. */
  readonly redis: RedisServer | undefined
  /** How often a candidate is driven in each of its processes. */
  readonly rounds: number
  /** How many fresh processes a candidate gets, one after the other. */
  readonly processes: number
  /** Whether the library of another checkout is measured beside this one. */
  readonly hasBefore: boolean
  /** Only whether everything runs is of interest. */
  readonly isShort: boolean
}

/** Numbers by name, for the last table. */
export type Measured = Map<string, number>

/** One thing that is measured. */
export interface Scenario {
  readonly name: string
  /** In a sentence, for the reader of the table. */
  readonly about: string
  readonly needsRedis?: boolean
  /** Whether `--short` tries it. */
  readonly isInShort?: boolean
  run(around: Surroundings): Promise<Measured>
}
