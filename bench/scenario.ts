import type { RedisServer } from '../test/support/redis-server.js'

/** What a scenario finds when it runs. */
export interface Surroundings {
  /** The node binary of the candidates. */
  readonly node: string
  /** `undefined`: there is none. */
  readonly redis: RedisServer | undefined
  readonly rounds: number
  /** Only whether everything runs is of interest. */
  readonly isShort: boolean
  /** Whether scenarios may take a million keys. */
  readonly isLarge: boolean
}

/** Numbers by name, for the last table. */
export type Measured = Map<string, number>

/** One thing that is measured. */
export interface Scenario {
  readonly name: string
  /** In a sentence, for whoever reads the table. */
  readonly about: string
  readonly needsRedis?: boolean
  /** Whether `--short` tries it. */
  readonly isInShort?: boolean
  run(around: Surroundings): Promise<Measured>
}
