import { BEHAVIOURS } from './behaviours.js'
import { cellsOf } from './cells.js'
import { closePeers, PEERS } from './peers.js'

// npm run compare: prints the comparison in the README, as measured now.

console.log(`| | ${PEERS.map(({ name }) => name).join(' | ')} |\n|---|${'---|'.repeat(PEERS.length)}`)
for (const behaviour of Object.keys(BEHAVIOURS)) {
  console.log(`| [${behaviour}](test/comparison/behaviours.ts) | ${(await cellsOf(behaviour)).join(' | ')} |`)
}
await closePeers()
process.exit(0)
