import { AssertionError } from 'node:assert'
import type { Framework, Preset } from './origin.js'
import { type Rule, ruleNames } from './rule.js'
import { allRules } from './rules/all.js'
import { Trial } from './trial.js'

/** What became of one rule in one framework under one preset. */
export interface Outcome {
  readonly name: string
  readonly rule: Rule
  readonly framework: Framework
  readonly preset: Preset
  /** `exception`: not met, on purpose. `unexpected`: met, though it is declared an exception. */
  readonly result: 'passed' | 'failed' | 'exception' | 'unexpected'
  /** What the check said; `undefined` when it passed. */
  readonly failure: string | undefined
}

/** How many rules are tried at a time. */
const AT_A_TIME = 8

/** Tries every rule in every framework under both presets. */
export async function tryAll(only?: RegExp): Promise<readonly Outcome[]> {
  const names = ruleNames(allRules)
  const work: (() => Promise<Outcome>)[] = []
  for (const framework of ['Express', 'Koa'] as const) {
    for (const preset of ['application', 'proxy'] as const) {
      for (const rule of allRules) {
        const name = names.get(rule) ?? ''
        if (only === undefined || only.test(`${name} ${rule.says}`))
          work.push(() => tryRule(name, rule, framework, preset))
      }
    }
  }
  const outcomes: Outcome[] = []
  const next = work.entries()
  await Promise.all(
    Array.from({ length: AT_A_TIME }, async () => {
      for (const [place, one] of next) outcomes[place] = await one()
    }),
  )
  return outcomes
}

async function tryRule(name: string, rule: Rule, framework: Framework, preset: Preset): Promise<Outcome> {
  const trial = new Trial(framework, preset)
  const isExcepted = rule.except[preset] !== undefined
  const outcome = { name, rule, framework, preset }
  try {
    await within(5_000, rule.check(trial))
    return { ...outcome, result: isExcepted ? 'unexpected' : 'passed', failure: undefined }
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    const isRefusal = isExcepted && error instanceof AssertionError
    return { ...outcome, result: isRefusal ? 'exception' : 'failed', failure }
  } finally {
    await trial.close()
  }
}

/** Nothing that is tried takes that long, unless an answer never ends. */
async function within(ms: number, check: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  try {
    await Promise.race([check, late])
  } finally {
    clearTimeout(timer)
  }
}
