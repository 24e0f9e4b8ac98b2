import { closeSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Measured, Scenario } from '../scenario.js'
import { printTable, quantile, shown } from '../table.js'

/** Sizes of a body, in bytes. */
const sizes = [1024, 65_536]

/** How many bodies there are: more than the caches of a processor hold. */
const count = 2000

/** Reads the body with this number. */
type Read = (at: number) => Uint8Array

/** A place that several processes or threads of one machine could share. */
interface Place {
  readonly read: Read
  close(): void
}

/** What a body costs if the workers of one machine share one copy of it, in this process. */
export const oneCopy: Scenario = {
  name: 'one-copy',
  about: `µs to have one of ${count} bodies at hand: in the heap of the process, in memory that threads share, in a file that the kernel keeps in memory`,
  isInShort: true,
  async run({ isShort }) {
    const measured: Measured = new Map()
    const places = { 'own memory': ownMemory, 'SharedArrayBuffer, copied': sharedMemory, 'file, read': file }
    const rows = Object.entries(places).map(([name, open]) => [
      name,
      ...sizes.map((size) => {
        const place = open(size)
        try {
          const time = timeOf(place.read, isShort ? 2 : 40)
          measured.set(`one-copy: ${name}: ${size}`, time)
          return shown(time)
        } finally {
          place.close()
        }
      }),
    ])
    printTable(['place', ...sizes.map((size) => `${size / 1024} KB`)], rows)
    return measured
  },
}

/** Microseconds of processor time for a read: the lowest tenth of several passes over all bodies. */
function timeOf(read: Read, passes: number): number {
  let sum = 0
  const times = Array.from({ length: passes }, (_, pass) => {
    const before = process.cpuUsage()
    // In an order that no prefetching foresees; both ends are used, as by what sends it.
    for (let n = 0; n < count; n++) {
      const body = read((n * 7919 + pass) % count)
      sum += (body[0] ?? 0) + (body[body.length - 1] ?? 0)
    }
    const { user, system } = process.cpuUsage(before)
    return (user + system) / count
  })
  return sum === 0 ? Number.NaN : quantile(times, 0.1)
}

function ownMemory(size: number): Place {
  const bodies = Array.from({ length: count }, () => Buffer.allocUnsafeSlow(size).fill(1))
  return { read: (at) => bodies[at] ?? Buffer.alloc(0), close: () => {} }
}

/** Node.js sends no bytes that another thread can change: they are copied. */
function sharedMemory(size: number): Place {
  const slab = new Uint8Array(new SharedArrayBuffer(size * count)).fill(1)
  return { read: (at) => Buffer.from(slab.subarray(at * size, (at + 1) * size)), close: () => {} }
}

function file(size: number): Place {
  const path = join(tmpdir(), `fallback-cache-bench-${process.pid}-${size}`)
  writeFileSync(path, Buffer.alloc(size * count, 1))
  const open = openSync(path, 'r')
  return {
    read: (at) => {
      const body = Buffer.allocUnsafe(size)
      readSync(open, body, 0, size, at * size)
      return body
    },
    close: () => {
      closeSync(open)
      rmSync(path)
    },
  }
}
