import { brotliDecompressSync } from 'node:zlib'
import type { Answer } from '../ask.js'
import { pageOf } from '../page.js'
import type { Scenario } from '../scenario.js'
import { compare, type Line } from './comparison.js'

const oneKey = { paths: ['/page/1'] }
const large = 65_536

/** Hits of other forms than a whole answer: 304, HEAD, compressed. Each beside the plain 200 of the same process. */
export const forms: readonly Scenario[] = [
  {
    name: '304',
    about: 'one key, 1 KB, from memory, to a client that has it, beside the 200',
    isInShort: true,
    run: (around) => {
      const both = (candidate: string): Line[] => [
        { candidate },
        { candidate, name: `${candidate}, 304`, revalidates: true, fault: faultOf304 },
      ]
      const names = [
        'ours express',
        'ours koa',
        'ours express, front door',
        'ours koa, front door',
        'apicache',
        'nginx',
      ]
      const lines = ['raw', ...[...names, 'varnish', 'route-cache'].flatMap(both)]
      return compare({ name: '304', lines, ours: 'ours express', load: oneKey, short: ['ours express'] }, around)
    },
  },
  {
    name: 'head',
    about: 'one key, 1 KB, from memory: HEAD beside GET, by the same load generator',
    isInShort: true,
    run: (around) => {
      // At a rate, by which our own generator drives both.
      const rate = around.isShort ? 500 : 8000
      const both = (candidate: string): Line[] => [
        { candidate, load: { rate } },
        { candidate, name: `${candidate}, HEAD`, load: { rate, method: 'HEAD' }, fault: faultOfHead },
      ]
      const lines = [
        { candidate: 'raw', load: { rate } },
        ...['ours express', 'ours koa', 'ours express, front door', 'ours koa, front door'].flatMap(both),
      ]
      return compare(
        { name: 'head', lines, ours: 'ours express', load: oneKey, warmUp: 8000, short: ['ours koa'] },
        around,
      )
    },
  },
  {
    name: 'precompressed',
    about: 'one key, 64 KB, from memory, to clients that take brotli',
    isInShort: true,
    run: (around) => {
      const brotli = { headers: { 'Accept-Encoding': 'br' } }
      const both = (candidate: string): Line[] => [
        { candidate, name: `${candidate}, identity`, load: { headers: { 'Accept-Encoding': 'identity' } } },
        { candidate, name: `${candidate}, br`, load: brotli, fault: faultOfBrotli },
      ]
      const lines: Line[] = [
        { candidate: 'ours express' },
        ...both('ours express, precompressed'),
        ...both('ours koa, precompressed'),
        { candidate: 'compression over ours express', load: brotli, fault: faultOfBrotli },
      ]
      const short = ['ours express, precompressed', 'compression over ours express']
      return compare(
        {
          name: 'precompressed',
          lines,
          ours: 'ours express',
          setup: { size: large },
          load: oneKey,
          warmUp: 3000,
          short,
        },
        around,
      )
    },
  },
]

function faultOf304({ status, body }: Answer): string | undefined {
  if (status !== 304) return `it answers ${status}, not 304`
  return body.length === 0 ? undefined : 'its 304 has a body'
}

function faultOfHead({ status, headers, body }: Answer): string | undefined {
  if (status !== 200 || body.length > 0) return `it answers HEAD with ${status} and ${body.length} bytes`
  return headers['content-length'] === undefined ? 'its answer to HEAD has no Content-Length' : undefined
}

function faultOfBrotli({ status, headers, body }: Answer): string | undefined {
  if (status !== 200 || headers['content-encoding'] !== 'br')
    return `it answers ${status} with Content-Encoding ${headers['content-encoding'] ?? 'identity'}`
  const text = brotliDecompressSync(body).toString()
  return text === JSON.stringify(pageOf('1', large)) ? undefined : 'its brotli is another text'
}
