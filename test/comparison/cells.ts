import { BEHAVIOURS } from './behaviours.js'
import { PEERS } from './peers.js'

/** Whether each peer shows a behaviour, in the words of the README. */
export async function cellsOf(behaviour: string): Promise<string[]> {
  const cells: string[] = []
  for (const peer of PEERS) {
    const does = await BEHAVIOURS[behaviour]?.(peer)
    cells.push(does === undefined ? 'not tested' : does ? 'yes' : 'no')
  }
  return cells
}
