import type { Fingerprint } from './fingerprint.js'
import type { Ledger, Likeness } from './ledger.js'
import { common, lacksOneOf, type Words } from './words.js'

/** One run of a handler, compared with what the cache would have sent. */
export interface ComparedRun {
  readonly key: string
  readonly ledger: Ledger
  /** What would have been sent. */
  readonly stored: Fingerprint
  readonly visitor: string
  readonly content: string
  /** `undefined` if the body was not read as text. */
  readonly words: Words | undefined
}

/**
 * Why the answers of a key differ from what was stored:
 * - `open`: not known yet;
 * - `changed`: the page has changed for everyone;
 * - `personal`: it is another page for another visitor;
 * - `noise`: it is another page in each run, also for the same visitor.
 */
type Verdict = 'open' | 'changed' | 'personal' | 'noise'

/** The latest run for one visitor. */
interface Run {
  readonly content: string
  readonly words: Words | undefined
  /** The words that all runs for this visitor have in common. */
  readonly lasting: ReadonlySet<number> | undefined
  /** Its position among the runs of the key. */
  readonly at: number
}

/** A key whose answers differ. */
interface Case {
  readonly ledger: Ledger
  verdict: Verdict
  /** By visitor, the latest last. */
  readonly runs: Map<string, Run>
  latest: string
  count: number
  /** Runs with another content than the run before for the same visitor. */
  changes: number
  /** Runs with the content of the run before, for the same visitor and for another one. */
  repeats: number
  agreements: number
  /** Wrong answers to the visitor that the stored response was made for, and to others. */
  own: number
  others: number
}

/** Keys that are looked at, and visitors of each. */
const MOST_CASES = 64
const MOST_VISITORS = 4

/** Examples for each outcome of a route. */
const MOST_EXAMPLES = 3

/**
 * Tells apart why real answers differ from what the cache would have sent: only runs of the handler for the same and for
 * other visitors can show it, so that an outcome may become another one later.
 */
export class Differences {
  readonly #cases = new Map<string, Case>()

  /** Notes a run that was compared with the stored response. */
  compare(run: ComparedRun): void {
    const { key, ledger, stored, visitor, content } = run
    let found = this.#cases.get(key)
    const isSame = content === stored.content
    if (isSame) ledger.add('same', 1)
    if (found === undefined) {
      if (isSame) return
      found = this.#open(key, ledger, stored)
    }
    this.#observe(found, run)
    if (isSame) return
    if (visitor === stored.visitor) found.own += 1
    else found.others += 1
    found.ledger.add(outcomeOf(found.verdict, visitor === stored.visitor), 1)
  }

  /** Notes the run of a response that has been stored. */
  kept(key: string, { visitor, content }: Fingerprint): void {
    const found = this.#cases.get(key)
    // A run that was compared before it was stored is known.
    if (found !== undefined && found.latest !== content) this.#observe(found, { visitor, content, words: undefined })
  }

  /** Forgets the runs of a key: what comes after a write says nothing about what was before. */
  written(key: string): void {
    this.#cases.delete(key)
  }

  /** Keys of a route whose answers had an outcome, as far as they are still known. */
  examples(ledger: Ledger, outcome: Likeness): readonly string[] {
    return Array.from(this.#cases)
      .filter(([, one]) => one.ledger === ledger)
      .filter(
        ([, { verdict, own, others }]) =>
          (own > 0 && outcomeOf(verdict, true) === outcome) || (others > 0 && outcomeOf(verdict, false) === outcome),
      )
      .slice(0, MOST_EXAMPLES)
      .map(([key]) => key)
  }

  #open(key: string, ledger: Ledger, { visitor, content }: Fingerprint): Case {
    const first: Run = { content, words: undefined, lasting: undefined, at: 0 }
    const counts = { changes: 0, repeats: 0, agreements: 0, own: 0, others: 0 }
    const made: Case = {
      ledger,
      verdict: 'open',
      runs: new Map([[visitor, first]]),
      latest: content,
      count: 0,
      ...counts,
    }
    if (this.#cases.size >= MOST_CASES) {
      for (const oldest of this.#cases.keys()) {
        this.#cases.delete(oldest)
        break
      }
    }
    this.#cases.set(key, made)
    return made
  }

  #observe(one: Case, run: Pick<ComparedRun, 'visitor' | 'content' | 'words'>): void {
    const { visitor, content, words } = run
    const before = one.runs.get(visitor)
    const lasting = words === undefined ? before?.lasting : lastingOf(before, words)
    const isPersonal = one.verdict === 'personal' || isForVisitors(one.runs, run, before && { ...before, lasting })
    if (content === one.latest) {
      if ([...one.runs.keys()].at(-1) === visitor) one.repeats += 1
      else one.agreements += 1
    } else if (before !== undefined && before.content !== content) one.changes += 1
    one.latest = content
    one.count += 1
    one.runs.delete(visitor)
    one.runs.set(visitor, { content, words, lasting, at: one.count })
    for (const oldest of one.runs.keys()) {
      if (one.runs.size <= MOST_VISITORS) break
      one.runs.delete(oldest)
    }
    judge(one, isPersonal ? 'personal' : verdictOf(one))
  }
}

/** Gives a case its verdict, and moves its answers to their new outcomes. */
function judge(one: Case, verdict: Verdict): void {
  if (verdict === one.verdict) return
  for (const [isOwn, count] of [
    [true, one.own],
    [false, one.others],
  ] as const) {
    one.ledger.add(outcomeOf(one.verdict, isOwn), -count)
    one.ledger.add(outcomeOf(verdict, isOwn), count)
  }
  one.verdict = verdict
}

function verdictOf({ changes, repeats, agreements }: Case): Verdict {
  if (agreements > 0 && agreements + repeats >= changes) return 'changed'
  return changes >= 2 && agreements + repeats < changes ? 'noise' : 'open'
}

/** @param isOwn - whether the answer would have gone to the visitor that the stored response was made for */
function outcomeOf(verdict: Verdict, isOwn: boolean): Likeness {
  if (verdict === 'noise') return 'noise'
  if (isOwn || verdict === 'changed') return 'stale'
  return verdict === 'personal' ? 'leaked' : 'suspected'
}

/**
 * Whether a run shows that the page depends on the visitor: what it has in common with an earlier run is missing in a run
 * for another visitor that was made in between, so that no change of the page can be the reason.
 */
function isForVisitors(
  runs: ReadonlyMap<string, Run>,
  { visitor, content }: Pick<ComparedRun, 'visitor' | 'content'>,
  before: Run | undefined,
): boolean {
  const all = Array.from(runs, ([of, run]) => ({ of, ...run }))
  for (const earlier of all) {
    if (earlier.content !== content) continue
    const isOther = (one: (typeof all)[number]) =>
      one.of !== visitor && one.of !== earlier.of && one.at > earlier.at && one.content !== content
    if (all.some(isOther)) return true
  }
  const { lasting } = before ?? {}
  if (before === undefined || lasting === undefined) return false
  return all.some(
    ({ of, at, words }) => of !== visitor && at > before.at && words !== undefined && lacksOneOf(words, lasting),
  )
}

function lastingOf(before: Run | undefined, words: Words): ReadonlySet<number> | undefined {
  const known = before?.lasting ?? before?.words?.set
  return known && common(known, words)
}
