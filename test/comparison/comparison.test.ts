import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BEHAVIOURS } from './behaviours.js'
import { cellsOf } from './cells.js'
import { PEERS } from './peers.js'

const readme = readFileSync('README.md', 'utf8')
const [, table = ''] = /## Compared\n[\s\S]*?\n(\|[\s\S]*?)\n\n/.exec(readme) ?? []
const [head = [], , ...rows] = table.split('\n').map((row) =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')),
)

describe('the comparison in the README', () => {
  it('has a row for each behaviour, and a column for each peer', () => {
    expect(rows.map(([behaviour]) => behaviour)).toEqual(Object.keys(BEHAVIOURS))
    expect(head.slice(1)).toEqual(PEERS.map(({ name }) => name))
  })

  it.each(Object.keys(BEHAVIOURS))(
    '%s: as the README says',
    async (behaviour) => {
      const said = rows.find(([name]) => name === behaviour)?.slice(1)
      expect(said).toEqual(await cellsOf(behaviour))
    },
    60_000,
  )
})
