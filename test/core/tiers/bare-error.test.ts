import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { bareError } from '../../../src/core/tiers/bare-error.js'

describe('bareError', () => {
  it('keeps the words and the codes of an error, and not the command that a client hung on it', () => {
    const error = Object.assign(new Error('WRONGPASS invalid username-password pair'), {
      name: 'ReplyError',
      command: { name: 'hello', args: ['3', 'AUTH', 'default', 's3cret'] },
    })
    const bare = bareError(error)
    expect([bare.name, bare.message]).toEqual(['ReplyError', error.message])
    expect(inspect(bare, { showHidden: true, depth: 9 })).not.toContain('s3cret')
  })

  it('shows no arguments of a command that Redis does not know', () => {
    const said = "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 's3cret' "
    expect(bareError(new Error(said)).message).toBe("ERR unknown command 'HELLO'")
  })

  it('finds words where node has several errors and none of its own', () => {
    const error = new AggregateError([new Error('connect ECONNREFUSED ::1:1'), new Error('connect ECONNREFUSED')], '')
    expect(bareError(Object.assign(error, { code: 'ECONNREFUSED' }))).toMatchObject({
      message: 'connect ECONNREFUSED ::1:1',
      code: 'ECONNREFUSED',
    })
  })

  it('takes what is no error, and one without words', () => {
    expect(bareError('gone').message).toBe('gone')
    expect(bareError(new Error('')).message).toMatch(/without a word/)
  })
})
