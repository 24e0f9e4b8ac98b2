import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { EVERYDAY_COOKIES } from '../../src/http/rules/everyday-cookies.js'
import { NEUTRAL_FIELDS } from '../../src/http/rules/neutral-fields.js'

const page = readFileSync(new URL('../../docs/inputs.md', import.meta.url), 'utf8')

describe('docs/inputs.md', () => {
  it('prints every everyday cookie', () => {
    for (const [service, names] of EVERYDAY_COOKIES) {
      expect(page).toContain(`| ${service} | \`${names.replaceAll('|', '\\|')}\` |`)
    }
  })

  it('prints every neutral field', () => {
    for (const name of NEUTRAL_FIELDS) expect(page).toContain(`\`${name}\``)
  })
})
