import { describe, expect, it } from 'vitest'
import { isLoggedIn } from '../../../src/http/protocol/personal.js'

describe('isLoggedIn', () => {
  const cases: readonly (readonly [string, unknown, unknown, boolean])[] = [
    ['no user', undefined, undefined, false],
    ['a user', { id: 1 }, undefined, true],
    ['passport without a user', false, undefined, false],
    ['a user that is null', null, null, false],
    ['a session of express-session that holds nothing', undefined, { cookie: { path: '/' } }, false],
    ['a session in which passport left nothing', undefined, { cookie: {}, passport: {} }, false],
    ['a session that holds a user', undefined, { cookie: {}, passport: { user: 1 } }, true],
    ['a session with a CSRF secret', undefined, { csrfSecret: 'x' }, true],
    ['a session of koa-session that holds nothing', undefined, { isNew: true, _expire: 1 }, false],
  ]
  for (const [who, user, session, expected] of cases) {
    it(`says ${expected} of ${who}`, () => {
      expect(isLoggedIn(user, session)).toBe(expected)
    })
  }
})
