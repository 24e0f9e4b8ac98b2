import type { Random } from '../simulation/random.js'

/** A pair of requests that the cache takes for one, and a parser tells apart; `undefined`: there is none. */
export type Trial = (random: Random) => { readonly equated: boolean; readonly fault?: string | undefined }
