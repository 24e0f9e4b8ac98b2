import { PROMISES, type Verdict, type Violation } from './checker.js'
import { footprintTable } from './footprint.js'
import type { History, SoakRecord } from './records.js'

/** What a soak run showed, for people. */
export function reportText(history: History, verdict: Verdict): string {
  const { reads, connectedReads, writes, durableWrites, requests, runs, staleness, quietReads, violations } = verdict
  const counts = PROMISES.map((promise) => [
    promise,
    violations.filter((violation) => violation.promise === promise).length,
  ])
  return [
    `reads        ${reads} (${percent(connectedReads, reads)} connected), ${quietReads} of values that no process invalidates`,
    `writes       ${writes} (${percent(durableWrites, writes)} durable at once)`,
    `disasters    ${history.disasters.length}`,
    `handler runs ${runs} for ${requests} requests: ${percent(requests - runs, requests)} saved`,
    `cut off      ${staleness.length} stale answers, by ${quantile(staleness, 0.99)} ms at p99, ${quantile(staleness, 1)} ms at most (maxStaleWhileDisconnected: ${history.maxStale} ms)`,
    `most of any process in each minute\n${footprintTable(history.records, history.startAt)}`,
    `violations   ${counts.map(([promise, count]) => `${promise} ${count}`).join(', ')}`,
  ].join('\n')
}

/** A violation, and what led to it. */
export function violationText(history: History, violation: Violation): string {
  const { promise, text, from, to, resource, run } = violation
  const lines = [
    ...history.disasters.flatMap((disaster) => [
      [disaster.startAt, `>>> ${disaster.text} (${disaster.victims.join(' ')})`] as const,
      [disaster.endAt, `<<< ${disaster.text} (${disaster.victims.join(' ')})`] as const,
    ]),
    ...history.records.flatMap((record) => {
      const line = traceLine(record, resource, run)
      return line === undefined ? [] : [[timeOf(record), line] as const]
    }),
  ]
  const shown = lines.filter(([at]) => at >= from && at <= to).sort(([one], [other]) => one - other)
  const trace = shown.slice(-60).map(([at, line]) => `${(at - to).toFixed(1).padStart(10)}  ${line}`)
  return [`${promise}, ${((to - history.startAt) / 1_000).toFixed(1)} s: ${text}`, ...trace].join('\n')
}

function traceLine(record: SoakRecord, resource: string | undefined, run: string | undefined): string | undefined {
  switch (record.type) {
    case 'link':
      return `${record.by} ${record.isConnected ? 'trusts Redis again' : 'lost Redis'}`
    case 'trouble':
      return `${record.by} ${record.text}`
    case 'write': {
      if (resource === undefined || !(resource in record.versions)) return undefined
      return `${record.by} invalidates ${record.cover} @${record.versions[resource]}: held +${(record.heldAt - record.startAt).toFixed(1)}, answered +${(record.endAt - record.startAt).toFixed(1)}, durable ${record.durable}`
    }
    case 'run':
      if (record.run !== run && record.resource !== resource) return undefined
      return `${record.by} runs the handler of ${record.resource}: run ${record.run} @${record.version}, +${(record.endAt - record.startAt).toFixed(1)}`
    case 'read': {
      if (record.resource !== resource) return undefined
      const what = record.version === undefined ? 'nothing' : `@${record.version} of ${record.run}`
      return `${record.by} ${record.how} ${what}, +${(record.endAt - record.startAt).toFixed(1)}${record.isConnected ? '' : ', cut off'}`
    }
    case 'quiet-set':
      return record.key === resource ? `${record.by} stores ${record.key}, +${took(record)}` : undefined
    case 'quiet-read': {
      if (record.key !== resource || record.isFound) return undefined
      return `${record.by} gets no ${record.key}, +${took(record)}${record.isConnected ? '' : ', cut off'}`
    }
    case 'cleared':
      return `${record.by} drops the values that no process invalidates`
    default:
      return undefined
  }
}

function took({ startAt, endAt }: { readonly startAt: number; readonly endAt: number }): string {
  return (endAt - startAt).toFixed(1)
}

function timeOf(record: SoakRecord): number {
  return 'at' in record ? record.at : record.startAt
}

function percent(part: number, whole: number): string {
  return `${whole === 0 ? 0 : ((100 * part) / whole).toFixed(1)} %`
}

function quantile(ascending: readonly number[], share: number): string {
  return (ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? 0).toFixed(0)
}
