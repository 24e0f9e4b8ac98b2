import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { BEHAVIOURS } from './behaviours.js'
import { cellsOf } from './cells.js'
import { closePeers, PEERS } from './peers.js'

const readme = readFileSync('README.md', 'utf8')
const [, table = ''] = /## Compared\n[\s\S]*?\n(\|[\s\S]*?)\n\n/.exec(readme) ?? []
const [head = [], , ...rows] = table.split('\n').map((row) =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')),
)

describe('the comparison in the README', () => {
  afterAll(closePeers)

  it('has a row for each behaviour, and a column for each peer', () => {
    expect(rows.map(([behaviour]) => behaviour)).toEqual(Object.keys(BEHAVIOURS))
    expect(head.slice(1)).toEqual(PEERS.map(({ name }) => name))
  })

  it.each(Object.keys(BEHAVIOURS))(
    '%s: as the README says',
    async (behaviour) => {
      const said = rows.find(([name]) => name === behaviour)?.slice(1)
      expect(known(said)).toEqual(known(await cellsOf(behaviour)))
    },
    60_000,
  )
})

/** Without the cells of a peer that stores nothing on this version of Node.js. */
function known(cells: readonly string[] = []): readonly string[] {
  const isOld = Number(process.versions.node.split('.')[0]) < 24
  return cells.filter((_, at) => isOld || PEERS[at]?.name !== 'express-redis-cache')
}
