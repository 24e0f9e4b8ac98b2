import type { Preset } from './origin.js'
import type { Trial } from './trial.js'

/** How strong a requirement is (RFC 2119). `MAY`: an optimisation that the RFCs allow. */
export type Level = 'MUST' | 'MUST NOT' | 'SHOULD' | 'SHOULD NOT' | 'MAY'

/** One requirement of a shared cache, and what shows that it is met. */
export interface Rule {
  readonly rfc: number
  readonly section: string
  readonly level: Level
  /** The requirement in a few words. */
  readonly says: string
  /** Throws when the requirement is not met. */
  check(trial: Trial): Promise<void>
  /** Why a preset departs from the requirement on purpose. */
  readonly except: Readonly<Partial<Record<Preset, string>>>
}

/** The name of a rule: its RFC, its section, and its place among the rules of that section. */
export function ruleNames(rules: readonly Rule[]): ReadonlyMap<Rule, string> {
  const counts = new Map<string, number>()
  const names = new Map<Rule, string>()
  for (const rule of rules) {
    const section = `RFC ${rule.rfc} section ${rule.section}`
    const number = (counts.get(section) ?? 0) + 1
    counts.set(section, number)
    names.set(rule, `${section} #${number}`)
  }
  return names
}

/** Makes the rules of one section. */
export function section(rfc: number, number: string) {
  return (level: Level, says: string, check: Rule['check'], except: Rule['except'] = {}): Rule => ({
    rfc,
    section: number,
    level,
    says,
    check,
    except,
  })
}
