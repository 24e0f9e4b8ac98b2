import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cover } from '../../../src/core/coherence/cover.js'
import { JournalFile } from '../../../src/core/coherence/journal-file.js'

const everything: Cover = { kind: 'all' }

describe('JournalFile', () => {
  let directory: string
  let path: string
  let faults: unknown[]
  let shared: string[]
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'fallback-cache-journal-'))
    path = join(directory, 'journal')
    faults = []
    shared = []
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  const open = (): JournalFile =>
    new JournalFile(
      path,
      (fault) => faults.push(fault),
      (which) => shared.push(which),
    )
  const read = () => open().read()

  it('is no device and no pipe, which may have no end', () => {
    expect(() =>
      new JournalFile(
        '/dev/null',
        () => {},
        () => {},
      ).read(),
    ).toThrow(new TypeError('journalFile must be a file, got "/dev/null"'))
  })

  it('writes what it could not write, as soon as it can write again', () => {
    const file = open()
    file.add('one', [key('a')])
    renameSync(path, `${path}.away`)
    mkdirSync(path)
    file.add('two', [key('b')])
    file.add('three', [key('c')])
    file.remove('three')
    expect(faults).toHaveLength(3)
    rmdirSync(path)
    renameSync(`${path}.away`, path)
    file.add('four', [key('d')])
    expect(
      read()
        .map(({ nonce }) => nonce)
        .sort(),
    ).toEqual(['four', 'one', 'two'])
    expect(faults).toHaveLength(3)
  })

  it('gives the next process what still waits, oldest first', () => {
    const file = open()
    file.add('one', [key('a')])
    file.add('two', [key('b'), everything])
    file.add('three', [key('c')])
    file.remove('two')
    expect(read()).toEqual([
      { nonce: 'one', covers: [key('a')] },
      { nonce: 'three', covers: [key('c')] },
    ])
  })

  const lineOf = (nonce: string, name = nonce): string => `${JSON.stringify({ n: nonce, c: [`k${name}`] })}\n`

  it('has one line for each invalidation, and none for one that it does not know', () => {
    const file = open()
    file.add('one', [key('one')])
    file.add('one', [key('one')])
    file.remove('unknown')
    file.add('two', [key('two')])
    expect(readFileSync(path, 'utf8')).toBe(lineOf('one') + lineOf('two'))
    file.remove('one')
    file.remove('two')
    file.add('three', [key('three')])
    expect(readFileSync(path, 'utf8')).toBe(lineOf('three'))
    expect(faults).toEqual([])
  })

  it('keeps one invalidation instead of all others, in a file that only its owner reads', () => {
    const file = open()
    for (const nonce of ['one', 'two', 'three']) file.add(nonce, [key(nonce)])
    file.removeOthers('two')
    file.add('four', [key('four')])
    expect(readFileSync(path, 'utf8')).toBe(lineOf('two') + lineOf('four'))
    expect(statSync(path).mode & 0o777).toBe(0o600)
    file.remove('two')
    file.remove('four')
    expect(statSync(path).size).toBe(0)
  })

  it('keeps the others, too, while another process writes to the file', () => {
    const file = open()
    for (const nonce of ['one', 'two']) file.add(nonce, [key(nonce)])
    open().add('theirs', [key('theirs')])
    file.removeOthers('two')
    expect(read().map(({ nonce }) => nonce)).toEqual(['one', 'two', 'theirs'])
    expect(shared).toEqual([path])
  })

  it('keeps all, and says so, when it cannot be written again without the others', () => {
    const file = open()
    for (const nonce of ['one', 'two']) file.add(nonce, [key(nonce)])
    mkdirSync(`${path}.new`)
    file.removeOthers('two')
    expect(faults).toHaveLength(1)
    expect(read().map(({ nonce }) => nonce)).toEqual(['one', 'two'])
  })

  it('writes the one that it keeps, if that could not be written before', () => {
    const file = open()
    file.add('one', [key('one')])
    renameSync(path, `${path}.away`)
    mkdirSync(path)
    file.add('two', [key('two')])
    file.removeOthers('two')
    rmdirSync(path)
    renameSync(`${path}.away`, path)
    file.add('three', [key('three')])
    expect(read().map(({ nonce }) => nonce)).toEqual(expect.arrayContaining(['two', 'three']))
  })

  it('says that it is gone, and begins another one', () => {
    const file = open()
    file.add('one', [key('one')])
    rmSync(path)
    file.remove('one')
    expect(faults).toHaveLength(1)
    file.add('two', [key('two')])
    expect(read().map(({ nonce }) => nonce)).toEqual(['two'])
  })

  it.each([
    ['removed', () => rmSync(path)],
    ['renamed, as by a rotation', () => renameSync(path, `${path}.1`)],
    ['emptied', () => truncateSync(path)],
  ])('writes all that waits again after it was %s', (_, lose) => {
    const file = open()
    for (const nonce of ['one', 'two']) file.add(nonce, [key(nonce)])
    lose()
    file.add('three', [key('three')])
    const left = () =>
      read()
        .map(({ nonce }) => nonce)
        .sort()
    expect(left()).toEqual(['one', 'three', 'two'])
    lose()
    file.remove('two')
    expect(left()).toEqual(['one', 'three'])
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect({ faults, shared }).toEqual({ faults: [], shared: [] })
  })

  it('loses nothing after it was cut within a line', () => {
    const file = open()
    for (const nonce of ['one', 'two']) file.add(nonce, [key(nonce)])
    truncateSync(path, 10)
    file.add('three', [key('three')])
    expect(read().map(({ nonce }) => nonce)).toEqual(expect.arrayContaining(['one', 'two', 'three']))
  })

  it('stays behind a symbolic link when it is written again', () => {
    const target = `${path}.target`
    symlinkSync(target, path)
    const file = open()
    for (const nonce of ['one', 'two']) file.add(nonce, [key(nonce)])
    file.removeOthers('two')
    expect(readlinkSync(path)).toBe(target)
    expect(readFileSync(target, 'utf8')).toBe(lineOf('two'))
  })

  it('stays where it is when the working directory changes', () => {
    const before = process.cwd()
    try {
      process.chdir(directory)
      const file = new JournalFile(
        'journal',
        () => {},
        () => {},
      )
      process.chdir(before)
      file.add('one', [key('one')])
    } finally {
      process.chdir(before)
    }
    expect(readFileSync(path, 'utf8')).toBe(lineOf('one'))
  })

  it('writes through no link that has the name of a file beside it', () => {
    const victim = join(directory, 'victim')
    writeFileSync(victim, 'theirs')
    for (const suffix of ['new', 'damaged']) symlinkSync(victim, `${path}.${suffix}`)
    writeFileSync(path, 'x\n')
    expect(read()).toEqual([{ nonce: 'damaged', covers: [everything] }])
    expect(readFileSync(victim, 'utf8')).toBe('theirs')
    expect(readFileSync(`${path}.damaged`, 'utf8')).toBe('x\n')
  })

  it('reads a last line that lacks only its end', () => {
    writeFileSync(path, (lineOf('one') + lineOf('two')).slice(0, -1))
    const file = open()
    expect(file.read().map(({ nonce }) => nonce)).toEqual(['one', 'two'])
    file.add('three', [key('three')])
    expect(readFileSync(path, 'utf8')).toBe(lineOf('one') + lineOf('two') + lineOf('three'))
  })

  it.each(['{"n":1,"c":["ka"]}', '{"n":"x","c":"ka"}', '{"n":"x"}', '{"c":["ka"]}', '{"d":1}', 'null', '[]'])(
    'reads the line %s as everything',
    (line) => {
      writeFileSync(path, `${line}\n`)
      expect(read()).toEqual([{ nonce: 'damaged', covers: [everything] }])
      expect(String(faults.at(-1))).toMatch(/has a line that cannot be read: everything is invalidated/)
    },
  )

  it('reads everything from a damaged file of which no copy can be made', () => {
    mkdirSync(`${path}.damaged`)
    writeFileSync(path, 'x\n')
    expect(read()).toEqual([{ nonce: 'damaged', covers: [everything] }])
    expect(faults).toHaveLength(2)
  })

  it('is read as one invalidation of everything if it is larger than one process makes it', () => {
    const lines = `${JSON.stringify({ n: 'one', c: ['tone'] })}\n`.repeat(10_000)
    writeFileSync(path, lines)
    const bytes = lines.length - 64 * 1024
    expect(open().read(bytes / 2)).toEqual([{ nonce: 'one', covers: [{ kind: 'tag', tag: 'one' }] }])
    expect(faults).toEqual([])
    expect(open().read(bytes / 2 - 1)).toEqual([{ nonce: 'damaged', covers: [everything] }])
    expect(String(faults[0])).toContain(`of ${lines.length} bytes is larger than one process makes it`)
    expect(readFileSync(`${path}.damaged`, 'utf8')).toBe(lines)
    expect(statSync(path).size).toBeLessThan(100)
    expect(read()).toEqual([{ nonce: 'damaged', covers: [everything] }])
  })

  it('is empty once nothing waits', () => {
    const file = open()
    file.add('one', [key('a')])
    file.remove('one')
    expect(statSync(path).size).toBe(0)
  })

  it('loses nothing but the cut line, wherever a crash cut the file, and what is written after it', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 5 }), fc.nat(), (names, at) => {
        rmSync(path, { force: true })
        const first = open()
        names.forEach((name, index) => {
          first.add(String(index), [key(name)])
        })
        const whole = readFileSync(path)
        const length = at % (whole.length + 1)
        truncateSync(path, length)
        const lines =
          whole
            .subarray(0, length + 1)
            .toString()
            .split('\n').length - 1
        const second = open()
        expect(second.read().map(({ nonce }) => nonce)).toEqual(names.slice(0, lines).map((_, index) => String(index)))
        second.add('after', [everything])
        expect(read().at(-1)).toEqual({ nonce: 'after', covers: [everything] })
        expect(read()).toHaveLength(lines + 1)
      }),
      { numRuns: 50 },
    )
    expect(faults).toEqual([])
  })

  it('takes a line that cannot be read for an invalidation of everything, and keeps a copy of the file', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
        const foreign = Buffer.from(bytes.map((byte) => (byte === 0x0a ? 0 : byte)))
        writeFileSync(path, Buffer.concat([foreign, Buffer.from('\n{"n":"x","c":["ka"]}\n')]))
        const waiting = read()
        expect(waiting.at(-1)).toEqual({ nonce: 'x', covers: [key('a')] })
        expect(waiting[0]?.covers).toEqual([everything])
        expect(readFileSync(`${path}.damaged`).subarray(0, foreign.length)).toEqual(foreign)
        expect(read()).toEqual(waiting)
      }),
      { numRuns: 50 },
    )
    expect(faults).not.toEqual([])
  })

  it('reads a name whose bytes were damaged as everything, not as another name', () => {
    writeFileSync(path, Buffer.from('{"n":"x","c":["pitem:\xff"]}\n', 'latin1'))
    expect(read()).toEqual([{ nonce: 'damaged', covers: [everything] }])
  })

  it('stays within a bound while one invalidation waits for ever', () => {
    const file = open()
    file.add('stuck', [key('a')])
    for (let index = 0; index < 5000; index++) {
      file.add(`n${index}`, [key('x'.repeat(100))])
      file.remove(`n${index}`)
    }
    expect(statSync(path).size).toBeLessThan(70_000)
    expect(existsSync(`${path}.new`)).toBe(false)
    expect(read()).toEqual([{ nonce: 'stuck', covers: [key('a')] }])
  })

  it('leaves alone what another process has written to the same file', () => {
    const file = open()
    file.add('ours', [key('a')])
    open().add('theirs', [key('b')])
    file.remove('ours')
    expect(read()).toEqual([{ nonce: 'theirs', covers: [key('b')] }])
    for (const nonce of ['again', 'and again']) {
      file.add(nonce, [key(nonce)])
      file.remove(nonce)
    }
    expect(read()).toEqual([{ nonce: 'theirs', covers: [key('b')] }])
    expect(shared).toEqual([path])
  })

  it('counts bytes, not characters, so that it stays readable', () => {
    const file = open()
    file.add('a', [key('a')])
    truncateSync(path, 64 * 1024 * 1024 - 100)
    file.remove('a')
    file.add('b', [key('\u20ac'.repeat(25))])
    expect(String(faults.at(-1))).toBe(`Error: ${path} is full`)
    expect(statSync(path).size).toBeLessThanOrEqual(64 * 1024 * 1024)
  })

  it('says once that it is shared, and does not let it grow until no process could read it', () => {
    const file = open()
    for (const nonce of ['a', 'b']) file.add(nonce, [key(nonce)])
    truncateSync(path, 64 * 1024 * 1024 - 20)
    for (const nonce of ['a', 'b']) file.remove(nonce)
    file.add('c', [key('c')])
    expect(shared).toEqual([path])
    expect(String(faults.at(-1))).toBe(`Error: ${path} is full`)
    expect(statSync(path).size).toBeLessThanOrEqual(64 * 1024 * 1024)
    truncateSync(path, 0)
    file.remove('c')
    file.add('d', [key('d')])
    expect(read().map(({ nonce }) => nonce)).toContain('d')
  })

  it('refuses a file that is too large to be a journal', () => {
    writeFileSync(path, '')
    truncateSync(path, 65 * 1024 * 1024)
    expect(read).toThrow(/journalFile must be a journal of this library, got .* of 68157440 bytes/)
  })
})

function key(name: string): Cover {
  return { kind: 'key', key: name }
}
