import { ask } from '../ask.js'
import { streamPause } from '../candidates/setup.js'
import { drive } from '../load/load.js'
import type { Measured, Scenario, Surroundings } from '../scenario.js'
import { isKnown, startRight } from '../start.js'
import { median, printTable, shown } from '../table.js'
import { compare } from './comparison.js'

const newKeys = { paths: ['/page/new'], unique: true }

/** It takes V8 so many until what a miss runs through is compiled. */
const warmUp = 15_000

/**
 * Requests per second where it matters what the cache adds, in microseconds. A server that is asked as fast as it answers makes the load generator
 * wait, and has to wake it with each answer, which takes longer than what is to be measured: three microseconds more of work cost ten there.
 */
const rateOf = (isShort: boolean): number => (isShort ? 500 : 8000)

/** A difference of two large figures needs more of both. */
function more(around: Surroundings): Surroundings {
  return around.isShort ? around : { ...around, rounds: around.rounds * 3 }
}

/** Requests that the handler answers: what the cache adds to them. */
export const misses: readonly Scenario[] = [
  {
    name: 'miss',
    about: 'a key that was never asked for, 1 KB: the handler runs, the answer is stored',
    isInShort: true,
    run: (around) => {
      const peers = ['apicache', 'apicache-plus', 'route-cache', 'cacheable-response']
      const express = ['express uncached', 'express by hand', 'ours express', 'ours express, front door', ...peers]
      const koa = ['koa uncached', 'koa by hand', 'ours koa', 'ours koa, front door', 'koa-cash']
      return compare(
        {
          name: 'miss',
          lines: [...express, ...koa],
          ours: 'ours express',
          load: newKeys,
          warmUp,
          short: ['ours express'],
        },
        around,
      )
    },
  },
  {
    name: 'miss-redis',
    about: 'the same with Redis: one more round trip to look, and one to store',
    needsRedis: true,
    run: (around) => {
      const express = ['express uncached', 'express by hand, redis', 'ours express, redis-first']
      const peers = ['apicache-plus, redis', 'route-cache, redis']
      const koa = ['koa uncached', 'koa by hand, redis', 'ours koa, redis-first', 'koa-cash, redis']
      const lines = [...express, ...peers, ...koa]
      return compare({ name: 'miss-redis', lines, ours: 'ours express, redis-first', load: newKeys, warmUp }, around)
    },
  },
  {
    name: 'store',
    about: 'what it takes to store a response of 1 KB, at a rate that leaves the server time',
    isInShort: true,
    run: (around) => {
      const of = (framework: string) => [`${framework} uncached`, `${framework} by hand`, `ours ${framework}`]
      const load = { ...newKeys, rate: rateOf(around.isShort) }
      const lines = [...of('express'), ...of('koa')]
      return compare(
        { name: 'store', lines, ours: 'express uncached', load, warmUp: 40_000, short: ['ours koa'] },
        more(around),
      )
    },
  },
  {
    name: 'pass-by',
    about:
      'what never is answered from the cache: a POST, and a GET that the skip option takes out, at a rate that leaves the server time',
    isInShort: true,
    run: (around) => {
      const rate = rateOf(around.isShort)
      const post = { method: 'POST', rate }
      const of = (framework: string) => [
        { candidate: `${framework} uncached` },
        { candidate: `ours ${framework}, skipping` },
        { candidate: `${framework} uncached`, name: `${framework} uncached, POST`, load: post },
        { candidate: `ours ${framework}`, name: `ours ${framework}, POST`, load: post },
      ]
      return compare(
        {
          name: 'pass-by',
          lines: [...of('express'), ...of('koa')],
          short: ['ours express', 'ours express, skipping'],
          ours: 'express uncached',
          load: { paths: ['/page/1'], rate },
          warmUp: 40_000,
        },
        more(around),
      )
    },
  },
  {
    name: 'first-byte',
    about: `a new key, whose handler sends the second half ${streamPause} ms after the first: how long the first byte takes`,
    isInShort: true,
    async run(around) {
      const measured: Measured = new Map()
      const rows: string[][] = []
      for (const framework of around.isShort ? ['express'] : ['express', 'koa']) {
        const waits = new Map<string, number>()
        const doors = [`ours ${framework}`, `ours ${framework}, front door`]
        for (const candidate of around.isShort ? doors : [`${framework} uncached`, ...doors]) {
          const server = isKnown(candidate) ? await startRight({ candidate, size: 16_384 }, around) : undefined
          if (server === undefined) continue
          // One request at a time never has V8 compile anything: the wait would be for its interpreter.
          await drive(server.port, {
            paths: ['/stream/warm'],
            unique: true,
            connections: 100,
            seconds: around.isShort ? 0.2 : 3,
          })
          const times: number[] = []
          for (let at = 0; at < (around.isShort ? 5 : 100); at++)
            times.push((await ask(server.port, `/stream/${at}`)).firstByte)
          await server.stop()
          waits.set(candidate, median(times.slice(times.length >> 2)))
        }
        const plain = waits.get(`${framework} uncached`) ?? Number.NaN
        for (const [candidate, wait] of waits) {
          rows.push([candidate, shown(wait), shown(wait - plain)])
          measured.set(`first-byte: ${candidate}: added`, wait - plain)
        }
      }
      printTable(['candidate', 'median ms to the first byte', '+ uncached'], rows)
      return measured
    },
  },
]
