import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

// npm run sizing -- --entries 1000000 --body 10000 --processes 10 --requests 200 --writes 5: what a fleet asks of Redis, calculated.
// The constants are those of the source; bytes for an entry are those that `npm run bench:entry-size` prints (docs/redis.md).

/**
 * @typedef {object} Fleet
 * @property {number} entries stored responses, each variant counted
 * @property {number} body their mean size, bytes
 * @property {number} processes
 * @property {number} requests requests of one process a second
 * @property {number} writes invalidations by prefix or tag a second, of all processes together
 * @property {number} logs caches of different `keyPrefix` among which entries and writes are divided
 */

const COLUMNS = ['entries', 'body', 'processes', 'requests', 'writes', 'logs']
/** Upper bounds: the share and the bytes by which an entry in Redis is larger than its body. */
const OVER_BODY = { share: 1.25, bytes: 600 }
/** A record of the log, as a rule; the bytes of an answer to a read of the head. */
const RECORD = 100
/** `maxMirrorBytes` unless set, and what a name of 30 characters takes of it. */
const MIRROR = { bytes: 4 * 2 ** 20, name: 30 }
/** Reads of the head in one lease, in memory-first mode. */
const READS_A_LEASE = 4

/**
 * The figures of a fleet: what, how much, and how it is calculated.
 *
 * @param {Fleet} fleet
 * @returns {readonly (readonly [what: string, value: string, how: string])[]}
 */
export function sizing({ entries, body, processes, requests, writes, logs }) {
  const longestLog = constant('shared-log', 'LONGEST_LOG')
  const mostMarks = constant('shared-log', 'MOST_MARKS')
  const page = constant('sweep', 'PAGE_SIZE')
  const pause = constant('sweep', 'PAUSE')
  const mirrored = Math.floor(MIRROR.bytes / (constant('slots', 'SLOT_OVERHEAD') + 2 * MIRROR.name))
  const memory = entries * (OVER_BODY.share * body + OVER_BODY.bytes)
  return [
    ['Redis: memory for entries', bytes(memory), 'entries × (1.25 × body + 600)'],
    ['Redis: reads a second, `redis-first`, at most', count(processes * requests), 'processes × requests'],
    ['the same for one log', count((processes * requests) / logs), '… / logs'],
    [
      'Redis: bytes sent for hits a second, `redis-first`, at most',
      bytes(processes * requests * (OVER_BODY.share * body + OVER_BODY.bytes)),
      'reads × (1.25 × body + 600)',
    ],
    [
      'the same with `confirmed`, if memory has the entries, at most',
      bytes(processes * requests * RECORD),
      `reads × ${RECORD}`,
    ],
    [
      'Redis: reads of heads a second, `memory-first`',
      count(processes * READS_A_LEASE * logs),
      `processes × ${READS_A_LEASE} a lease × logs`,
    ],
    [
      'log: bytes a second, read by all processes',
      bytes(writes * processes * RECORD),
      `writes × processes × ${RECORD}`,
    ],
    ['log: seconds of history', count((longestLog * logs) / writes), `${count(longestLog)} × logs / writes`],
    [
      'mirror of a running process: seconds until the oldest names are folded, if each write has another name',
      count((mirrored * logs) / writes),
      `${count(mirrored)} × logs / writes`,
    ],
    [
      'marks, which new processes read: the same',
      count((mostMarks * logs) / writes),
      `${count(mostMarks)} × logs / writes`,
    ],
    [
      'sweep: hours to visit all entries, at least',
      ((entries / logs / page) * (pause / 3_600_000)).toFixed(2),
      `entries / logs / ${page} × ${pause} ms`,
    ],
  ]
}

/**
 * A table in Markdown that compares fleets.
 *
 * @param {readonly Fleet[]} fleets
 */
export function sizingTable(fleets) {
  const figures = fleets.map(sizing)
  const inputs = COLUMNS.map((name) => [
    name === 'body' ? 'body, bytes' : name,
    ...fleets.map((fleet) => count(fleet[/** @type {keyof Fleet} */ (name)])),
    'given',
  ])
  const rows = (figures[0] ?? []).map(([what, , how], row) => [
    what,
    ...figures.map((figure) => figure[row]?.[1] ?? ''),
    how,
  ])
  return [
    `| |${fleets.map((_, index) => ` fleet ${index + 1} |`).join('')} calculated as |`,
    `|---|${'--:|'.repeat(fleets.length)}---|`,
    ...[...inputs, ...rows].map((cells) => `| ${cells.join(' | ')} |`),
  ].join('\n')
}

/** The fleets of docs/large-fleets.md. @type {readonly Fleet[]} */
export const FLEETS = [
  { entries: 1e6, body: 10_000, processes: 10, requests: 200, writes: 5, logs: 1 },
  { entries: 1e8, body: 10_000, processes: 1000, requests: 200, writes: 100, logs: 1 },
  { entries: 1e8, body: 10_000, processes: 1000, requests: 200, writes: 100, logs: 32 },
]

/** @param {string} file @param {string} name @returns {number} */
function constant(file, name) {
  const text = readFileSync(new URL(`../src/core/coherence/${file}.ts`, import.meta.url), 'utf8')
  const value = new RegExp(`^const ${name} = ([\\d_]+)$`, 'm').exec(text)?.[1]
  if (value === undefined) throw new Error(`src/core/coherence/${file}.ts declares no number ${name}`)
  return Number(value.replaceAll('_', ''))
}

/** @param {number} value */
function count(value) {
  return Math.round(value).toLocaleString('en')
}

/** @param {number} value */
function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const unit = Math.min(Math.max(0, Math.floor(Math.log10(value) / 3)), units.length - 1)
  return `${(value / 1000 ** unit).toFixed(unit === 0 ? 0 : 1)} ${units[unit]}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: Object.fromEntries(COLUMNS.map((name) => [name, { type: 'string' }])) })
  const fleet = { entries: 1e6, body: 10_000, processes: 10, requests: 200, writes: 5, logs: 1 }
  for (const [name, text] of Object.entries(values)) {
    const value = Number(text)
    if (!(value > 0)) {
      console.error(`--${name} must be a number greater than 0, got ${text}`)
      process.exit(2)
    }
    Object.assign(fleet, { [name]: value })
  }
  console.log(sizingTable([fleet]))
}
