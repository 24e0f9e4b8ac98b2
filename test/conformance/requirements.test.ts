import { expect, it } from 'vitest'
import { allRules } from './rules/all.js'

/** The sections of RFC 9111 that require something of a shared cache by MUST or MUST NOT. */
const SECTIONS = [
  ...['1.2.2', '3', '3.1', '3.2', '3.3', '3.4', '3.5', '4', '4.1', '4.2', '4.2.2', '4.2.3', '4.2.4'],
  ...['4.3.1', '4.3.2', '4.3.3', '4.3.4', '4.3.5', '4.4', '5.2', '5.2.1.5', '5.2.2.1', '5.2.2.2', '5.2.2.3'],
  ...['5.2.2.4', '5.2.2.5', '5.2.2.6', '5.2.2.7', '5.2.2.8', '5.2.2.10', '5.2.3', '5.3'],
]

it.each(SECTIONS)('has a rule for what RFC 9111, section %s, requires', (section) => {
  const rules = allRules.filter((rule) => rule.rfc === 9111 && rule.section === section)
  expect(rules.map(({ level }) => level)).toContainEqual(expect.stringMatching(/^MUST/))
})
