import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type RecordReader, watchedLater, watchedRecord } from '../../../src/middleware/node/watched-fields.js'

function reader() {
  const seen: string[] = []
  const tell: RecordReader = { one: (name) => seen.push(name), all: () => seen.push('*') }
  return { seen, tell }
}

const RECORD = { host: 'a.example', 'x-org': 'ann' }

describe.each([
  ['a record', (tell: RecordReader) => watchedRecord({ ...RECORD }, tell)],
  ['a record that is made later', (tell: RecordReader) => watchedLater(() => ({ ...RECORD }), tell)],
])('%s', (_, make) => {
  it.each<[string, (record: object) => string]>([
    ['by itself', (record) => inspect(record)],
    ['with a depth and colours', (record) => inspect(record, { depth: 5, colors: false, compact: false })],
    ['within another object', (record) => inspect({ headers: record })],
  ])('is printed as the record itself, %s, and tells that all was read', (_way, print) => {
    const { seen, tell } = reader()
    expect(print(make(tell))).toBe(print({ ...RECORD }))
    expect(seen).toContain('*')
  })

  it('stays as it is when an object that inherits from it is changed', () => {
    const record = make(reader().tell) as Record<string, string>
    const derived = Object.create(record) as Record<string, string>
    derived['x-org'] = 'bob'
    expect([derived['x-org'], record['x-org']]).toEqual(['bob', 'ann'])
    record['x-org'] = 'eve'
    expect(record['x-org']).toBe('eve')
  })
})
