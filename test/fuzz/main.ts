import { parseArgs } from 'node:util'
import { fuzzFrames } from './frames.js'
import { fuzzHandlers } from './fuzz-handlers.js'
import { fuzzVisitors } from './fuzz-visitors.js'
import { fuzzKeys } from './keys.js'
import { fuzzReplies } from './replies.js'

// npm run fuzz -- keys --cases 1000000 --seed 1: tries so many random pairs of requests, and prints what was compared.

// npm run fuzz -- handlers: plays so many random handlers behind the cache and without it.

// npm run fuzz -- visitors: has several visitors ask random applications on each host, with the cache and without.

// npm run fuzz -- replies: plays so many operations while replies of Redis go missing, come twice, or are others.

// npm run fuzz -- frames: writes, mangles and reads so many random entries.

const TARGETS = {
  frames: fuzzFrames,
  keys: fuzzKeys,
  handlers: fuzzHandlers,
  replies: fuzzReplies,
  visitors: fuzzVisitors,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { cases: { type: 'string', default: '100000' }, seed: { type: 'string' } },
})
const [target = 'keys'] = positionals
const cases = Number(values.cases)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
if (!Object.hasOwn(TARGETS, target) || !Number.isSafeInteger(cases) || cases < 1 || !Number.isSafeInteger(seed)) {
  console.error(`Usage: npm run fuzz -- ${Object.keys(TARGETS).join('|')} [--cases 100000] [--seed 1]`)
  process.exit(2)
}
console.log(`fuzz ${target}: ${cases} cases, seed ${seed}`)
const startedAt = performance.now()
const { counts, faults } = await TARGETS[target as keyof typeof TARGETS](cases, seed)
console.table(counts)
console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s, ${faults.length} faults`)
for (const fault of faults.slice(0, 20)) console.log(fault)
process.exit(faults.length === 0 ? 0 : 1)
