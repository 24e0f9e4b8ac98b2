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

  it('keeps where a connection failed, if it is a text or a number', () => {
    const where = { code: 'ECONNREFUSED', syscall: 'connect', address: '127.0.0.1', port: 6379 }
    expect({ ...bareError(Object.assign(new Error('connect'), where)) }).toMatchObject(where)
    const odd = Object.assign(new Error('x'), { code: { args: ['s3cret'] }, address: ['s3cret'], port: undefined })
    expect(Object.keys(bareError(odd))).not.toContain('code')
    expect(inspect(bareError(odd), { showHidden: true, depth: 9 })).not.toContain('s3cret')
  })

  it.each([
    "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 's3cret' ",
    "ERR unknown command 'HELLO', with args beginning with: '3' '\ns3cret\n' ",
    "ERR unknown command 'HELLO' with args beginning with: 's3cret'",
  ])('shows no arguments of a command that Redis does not know: %j', (said) => {
    expect(bareError(new Error(said)).message).toBe("ERR unknown command 'HELLO'")
  })

  it('shows no hash of a script that failed, and keeps what only looks like one', () => {
    const hash = '5a9105b1cafe'.padEnd(40, '0')
    expect(bareError(new Error(`OOM not allowed script: ${hash}, on @user_script:1.`)).message).toBe('OOM not allowed')
    expect(bareError(new Error(`OOM not allowed script: ${hash}, on\n@user_script:1.`)).message).toBe('OOM not allowed')
    expect(bareError(new Error('OOM script: 5a91, too')).message).toBe('OOM script: 5a91, too')
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
    expect(bareError(new TypeError('')).message).toBe('the client failed without a word (TypeError)')
    const coded = Object.assign(new Error(''), { code: 'ECONNRESET' })
    expect(bareError(coded).message).toBe('the client failed without a word (ECONNRESET)')
  })
})
