import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { check } from './checker.js'
import { reportText, violationText } from './report.js'
import { runSoak } from './soak.js'

// npm run soak [-- --minutes 10] [-- --short] [-- --memory-first] [-- --confirmed]; SOAK_SECONDS and SEED say the same in the environment.

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    short: { type: 'boolean', default: false },
    seed: { type: 'string' },
    'memory-first': { type: 'boolean', default: false },
    confirmed: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
})
const seconds = values.short ? 20 : Number(process.env.SOAK_SECONDS ?? Number(values.minutes ?? 3) * 60)
const seed = Number(values.seed ?? process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))
if (!(seconds > 0) || !Number.isSafeInteger(seed)) {
  console.error(
    'usage: npm run soak [-- --minutes <number> | --short] [--seed <integer>] [--memory-first | --confirmed] [--quiet]',
  )
  process.exit(2)
}

const read = values['memory-first'] ? 'memory-first' : values.confirmed ? 'confirmed' : 'redis-first'
console.log(`${seconds} s, ${read}; SEED=${seed} plays the same disasters again\n`)
const history = await runSoak({ seconds, seed, read, ...(values.quiet ? {} : { log: (line) => console.log(line) }) })
const verdict = check(history)
for (const violation of verdict.violations.slice(0, 5)) console.log(`\n${violationText(history, violation)}`)
if (verdict.violations.length > 0) {
  const file = join(tmpdir(), `soak-${seed}.jsonl`)
  const lines = [...history.disasters, ...history.records].map((line) => JSON.stringify(line))
  writeFileSync(file, `${lines.join('\n')}\n`)
  console.log(`\nThe whole history: ${file}`)
}
console.log(`\n${reportText(history, verdict)}`)
process.exit(verdict.violations.length === 0 ? 0 : 1)
