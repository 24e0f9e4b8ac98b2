import { describe, expect, it } from 'vitest'
import { REASONS } from '../../../src/http/rules/reasons.js'

describe('REASONS', () => {
  it('explains each reason in one sentence', () => {
    for (const [reason, text] of Object.entries(REASONS)) {
      expect(reason).toMatch(/^[a-z]+(?:-[a-z]+)*$/)
      expect(text).toMatch(/^[A-Z].*\.$/)
    }
  })
})
