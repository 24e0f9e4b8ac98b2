import type { Outcome } from './conformance.js'

/** How many rules there are, and what became of them. */
export interface Totals {
  readonly rules: number
  readonly passed: number
  readonly failed: number
  readonly exceptions: number
}

/** The outcomes as counts; each rule counts once for every framework and preset. */
export function totalsOf(outcomes: readonly Outcome[]): Totals {
  const count = (result: Outcome['result']) => outcomes.filter((one) => one.result === result).length
  return {
    rules: outcomes.length,
    passed: count('passed'),
    failed: count('failed') + count('unexpected'),
    exceptions: count('exception'),
  }
}

/** The outcomes as text: a table by section, then what failed, then the exceptions and their reasons. */
export function reportOf(outcomes: readonly Outcome[]): string {
  const sections = groupBy([...outcomes].sort(bySection), ({ rule }) => `RFC ${rule.rfc} section ${rule.section}`)
  const table = [row('section', 'rules', 'passed', 'failed', 'exceptions'), ...rowsOf(sections)]
  const byPlace = groupBy(outcomes, ({ framework, preset }) => `${framework}, preset ${preset}`)
  const places = [row('framework and preset', 'rules', 'passed', 'failed', 'exceptions'), ...rowsOf(byPlace)]
  return [
    ...table,
    '',
    ...places,
    row('all', ...figures(outcomes)),
    '',
    ...failures(outcomes),
    ...exceptions(outcomes),
  ].join('\n')
}

function bySection({ rule: one }: Outcome, { rule: other }: Outcome): number {
  const isFirst = Number(other.rfc === 9111) - Number(one.rfc === 9111)
  return isFirst || one.rfc - other.rfc || one.section.localeCompare(other.section, 'en', { numeric: true })
}

function rowsOf(groups: ReadonlyMap<string, readonly Outcome[]>): readonly string[] {
  return Array.from(groups, ([name, outcomes]) => row(name, ...figures(outcomes)))
}

function figures(outcomes: readonly Outcome[]): readonly string[] {
  const { rules, passed, failed, exceptions } = totalsOf(outcomes)
  return [rules, passed, failed, exceptions].map(String)
}

function row(name: string, ...figures: readonly string[]): string {
  return name.padEnd(28) + figures.map((figure) => figure.padStart(12)).join('')
}

function failures(outcomes: readonly Outcome[]): readonly string[] {
  const failed = outcomes.filter(({ result }) => result === 'failed' || result === 'unexpected')
  if (failed.length === 0) return []
  const lines = Array.from(
    groupBy(failed, ({ name }) => name),
    ([name, all]) => {
      const [first] = all
      const places = all.map(({ framework, preset }) => `${framework}/${preset}`).join(' ')
      const why = first?.failure ?? 'met, though it is declared an exception'
      return `  ${name} ${first?.rule.level}: ${first?.rule.says}\n    in ${places}: ${why.split('\n')[0]}`
    },
  )
  return ['Failed:', ...lines, '']
}

function exceptions(outcomes: readonly Outcome[]): readonly string[] {
  const excepted = outcomes.filter(({ result }) => result === 'exception')
  if (excepted.length === 0) return []
  const byPreset = groupBy(excepted, ({ name, preset }) => `${name} (${preset})`)
  const lines = Array.from(byPreset, ([name, [first]]) => {
    const reason = first?.rule.except[first.preset] ?? ''
    return `  ${name} ${first?.rule.level}: ${first?.rule.says}\n    because ${reason}`
  })
  return ['Deliberate exceptions:', ...lines, '']
}

function groupBy<T>(items: readonly T[], nameOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(nameOf(item))
    if (group === undefined) groups.set(nameOf(item), [item])
    else group.push(item)
  }
  return groups
}
