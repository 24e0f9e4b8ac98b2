import { Random } from '../simulation/random.js'

const NETWORK = [
  'hold',
  'refuse',
  'drop replies',
  'accept then close',
  'latency',
  'reset often',
  'cut',
  'reset',
  'surplus reply',
  'missing reply',
] as const
const MACHINE = [
  'freeze redis',
  'kill redis',
  'restart redis',
  'restore backup',
  'crash loop',
  'flush redis',
  'evict entries',
  'fill redis',
  'evict anything',
  'flood',
  'other protocol',
  'freeze process',
  'kill process',
  'terminate process',
] as const

/** The three processes. */
export const LETTERS = ['A', 'B', 'C'] as const
export type Letter = (typeof LETTERS)[number]

/** One disaster to come. */
export interface Planned<Kind extends string> {
  readonly kind: Kind
  readonly victims: readonly Letter[]
  /** Milliseconds after the end of the one before. */
  readonly calm: number
  /** Milliseconds that it lasts. */
  readonly duration: number
  /** How bad: from 0 to 1. */
  readonly severity: number
}

export type NetworkFault = Planned<(typeof NETWORK)[number]>
export type MachineFault = Planned<(typeof MACHINE)[number]>

/** What goes wrong between the processes and Redis, without end. */
export function networkFaults(seed: number): Generator<NetworkFault> {
  return draw(new Random(seed), NETWORK, [200, 2_500], [50, 6_000])
}

/** What happens to machines, without end. */
export function machineFaults(seed: number): Generator<MachineFault> {
  return draw(new Random(seed ^ 0x5bd1e995), MACHINE, [200, 2_000], [50, 3_000])
}

/** As from a deck of cards: each kind comes once before any comes again. */
function* draw<Kind extends string>(
  random: Random,
  kinds: readonly Kind[],
  calm: readonly [number, number],
  duration: readonly [number, number],
): Generator<Planned<Kind>> {
  for (;;) {
    const deck = [...kinds]
    while (deck.length > 0) {
      const [kind] = deck.splice(random.below(deck.length), 1)
      if (kind === undefined) return
      yield {
        kind,
        victims: victims(random),
        calm: random.between(...calm),
        duration: random.magnitude(...duration),
        severity: random.fraction(),
      }
    }
  }
}

/** Most often one, sometimes two, seldom all. */
function victims(random: Random): Letter[] {
  const left: Letter[] = [...LETTERS]
  const count = random.chance(0.6) ? 1 : random.chance(0.7) ? 2 : 3
  while (left.length > count) left.splice(random.below(left.length), 1)
  return left
}
