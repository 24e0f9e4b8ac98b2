import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadSharedStore } from '../../src/core/coherence/shared-access.js'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { fallbackCache } from '../../src/middleware/express.js'
import { RedisServer } from '../support/redis-server.js'

/** A row of the table of docs/reliability.md for each collection that outlives a call. */
const ROWS: Readonly<Record<string, string>> = {
  'core/tiers/memory-tier.ts #slots': 'entries in memory',
  'dashboard/history.ts #samples': 'history of the [dashboard](dashboard.md)',
  'dashboard/entries.ts #largest': 'history of the [dashboard](dashboard.md)',
  'dashboard/tail.ts #watchers': 'history of the [dashboard](dashboard.md)',
  'dashboard/fleet.ts #known': 'reports of other processes for the [dashboard](dashboard.md)',
  'dashboard/history.ts #moments': 'history of the [dashboard](dashboard.md)',
  'core/tiers/slabs.ts #slabs': 'entries in memory',
  'core/recordings.ts #open': 'recordings in progress',
  'core/single-flight.ts #flights': 'computations of `getOrSet`',
  'core/single-flight.ts waitsFor': 'computations of `getOrSet`',
  'core/coherence/slots.ts #keys': 'mirror of invalidations',
  'core/coherence/slots.ts #olderKeys': 'mirror of invalidations',
  'core/coherence/mirror.ts #waitingKeys': 'mirror of invalidations',
  'core/coherence/slots.ts #tags': 'mirror of invalidations',
  'core/coherence/slots.ts #prefixes': 'mirror of invalidations',
  'core/coherence/slots.ts #foldedPrefixes': 'mirror of invalidations',
  'core/coherence/aged-map.ts #values': 'mirror of invalidations',
  'core/coherence/prefix-map.ts #byLength': 'mirror of invalidations',
  'core/coherence/journal.ts #pending': 'invalidations that the log does not have yet',
  'core/tiers/lanes.ts #waiting': 'invalidations that the log does not have yet',
  'core/coherence/log-appender.ts #waiting': 'invalidations that the log does not have yet',
  'core/coherence/log-appender.ts #sent': 'invalidations that the log does not have yet',
  'core/coherence/journal-file.ts #waiting': 'invalidations that the log does not have yet',
  'core/coherence/journal-file.ts #unfiled': 'invalidations that the log does not have yet',
  'core/coherence/journal.ts #recent': 'invalidations of the last minute',
  'core/coherence/knowledge.ts #records': 'invalidations of the last minute',
  'core/coherence/knowledge.ts #past': 'lives of the log',
  'core/coherence/met-notes.ts #notes': 'lives of the log',
  'core/coherence/retired-keys.ts #records': 'keys that requests invalidated',
  'core/coherence/changes.ts #records': 'keys that have changed in Redis',
  'core/coherence/retirement.ts #unsent': 'tombstones that Redis does not have yet',
  'core/coherence/write-back.ts #failed': 'entries to be written to Redis again',
  'core/coherence/batched-reads.ts #followers': 'commands that wait for Redis',
  'core/coherence/entry-reader.ts #turn': 'commands that wait for Redis',
  'core/coherence/redis-reports.ts #said': 'kinds of errors of Redis',
  'core/coherence/redis-reports.ts #saidOfJournal': 'messages sent once',
  'core/tiers/refusals.ts #active': 'kinds of errors of Redis',
  'core/long-lifetime.ts said': 'messages sent once',
  'adapters/late-fields.ts #told': 'messages sent once',
  'http/protocol/reports.ts TOLD': 'messages sent once',
  'http/protocol/flights.ts #flights': 'requests that wait for a handler',
  'http/protocol/body-collector.ts #chunks': 'recordings in progress',
  'http/store/known-variants.ts #keys': 'variants that a process knows of',
  'http/shadow/differences.ts #cases': 'directory of [shadow mode](shadow.md)',
  'http/shadow/simulated-memory.ts #sizes': 'directory of [shadow mode](shadow.md)',
  'http/shadow/late-shadow.ts #ledgers': 'requests counted by route',
  'http/shadow/verification.ts #ledgers': 'requests counted by route',
  'http/shadow/verification.ts #made':
    'stored responses whose visitor is known in the mode [`verify`](shadow.md#later-mode-verify)',
  'http/shadow/verification.ts #madeBefore':
    'stored responses whose visitor is known in the mode [`verify`](shadow.md#later-mode-verify)',
  'http/shadow/verification.ts VERIFICATIONS': 'directory of [shadow mode](shadow.md)',
  'http/shadow/shadow.ts SHADOWS': 'directory of [shadow mode](shadow.md)',
  'http/store/no-vary-search-index.ts #rules': 'rules of No-Vary-Search',
  'http/store/recently-refused.ts #until': 'keys of responses that were refused',
  'http/store/recently-refused.ts #refusals': 'keys of responses that were refused',
  'http/store/precompressor.ts #tries': 'responses to be encoded',
  'http/store/primary-key.ts #recent': 'keys kept for repeated requests',
  'http/store/primary-key.ts #older': 'keys kept for repeated requests',
  'http/store/parsed-entries.ts entries': 'parsed responses',
  'http/rules/groups.ts #origins': 'origins of groups',
  'http/rules/credentials.ts FIELD_NAMES': 'names of fields kept for repeated requests',
  'http/rules/plain-fields.ts NAMES': 'names of fields kept for repeated requests',
  'http/syntax/lower-case.ts LOWER': 'names of fields kept for repeated requests',
  'http/syntax/accept-encoding.ts SEEN': 'values of fields kept for repeated requests',
  'http/syntax/cache-control.ts PARSED': 'values of fields kept for repeated requests',
  'http/syntax/remembered.ts #known': 'values of fields kept for repeated requests',
  'http/syntax/cache-status.ts SERIALIZED': 'values of fields kept for repeated requests',
  'middleware/purge/handled-ids.ts #met': 'ids of [webhooks](webhooks.md)',
  'core/meters.ts #routes': 'requests counted by route',
  'middleware/express/contested-route.ts contested': 'paths that reach a route of Express',
  'middleware/express/contested-route.ts texts': 'paths that reach a route of Express',
  'middleware/express/route-pattern.ts mountsOf': 'requests counted by route',
  'observe/opentelemetry.ts instrumented': 'caches of a registry',
  'observe/prometheus.ts registered': 'caches of a registry',
  'adapters/nestjs.ts #byOptions': 'options of decorated handlers',
  'http/rules/met-objects.ts TOKENS': 'objects that middleware in front has set',
  'adapters/reply-serializer.ts MET': 'objects that middleware in front has set',
  // For each list of names, as long as a response or a remembered description has it.
  'middleware/node-internals/prepared-reply.ts JUDGED': 'parsed responses',
  'middleware/node-internals/prepared-reply.ts joinedOnes': 'answers prepared as bytes',
  'middleware/node/own-accessors.ts FUNCTIONS': 'accessors of observed names',
}

/** What lives as long as one request, or is as large as the program. */
const EXEMPT: readonly RegExp[] = [
  /^middleware\/(node|express|koa)\/(watched-|application|departure|request-content|outermost)/,
  /^middleware\/node-internals\/response-trial/,
  /^http\/protocol\/(route-say|recorder-policies\.ts #plain)/,
  /^http\/syntax\/no-vary-search\.ts/,
  /^http\/port\/response-notes\.ts tags/,
  // An empty one, by default.
  / (NO|NONE|NOTHING)(_[A-Z]+)?$| omitted$/,
  /^http\/store\/invalidations\.ts #inner/,
  /^testing\//,
  /^adapters\/(shown-|late-head|fetch-socket|own-values\.ts KNOWN|late-fields\.ts #replaced)/,
]

/** Fields and constants of modules that hold a collection which is made empty. */
const COLLECTION =
  /^(?: {2}(?:readonly )?(#?\w+)(?::[^=\n]+)? = |const (\w+)(?::[^=\n]+)? = )(?:new (?:Map|Set|WeakMap|AgedMap|PrefixMap)\b(?:<.*>)?\(\)|\[\])/gm

function collections(): readonly string[] {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  return files.flatMap((file) =>
    Array.from(
      readFileSync(join('src', file), 'utf8').matchAll(COLLECTION),
      ([, field, constant]) => `${file} ${field ?? constant}`,
    ),
  )
}

const table =
  /<!-- growth -->\n([\s\S]*?)<!-- \/growth -->/.exec(readFileSync('docs/reliability.md', 'utf8'))?.[1] ?? ''
const rows = table
  .split('\n')
  .filter((line) => /^\| [^-]/.test(line))
  .slice(1)
  .map((line) => line.split('|').map((cell) => cell.trim()))

describe('what grows', () => {
  it('is in the table of docs/reliability.md, each collection of the sources', () => {
    const unnamed = collections().filter((name) => !(name in ROWS) && !EXEMPT.some((pattern) => pattern.test(name)))
    expect(unnamed).toEqual([])
    const names = rows.map(([, what = '']) => what)
    expect(Object.values(ROWS).filter((row) => !names.includes(row))).toEqual([])
  })

  it('names no collection that is gone', () => {
    // Made in the constructor, or of a class of its own.
    const elsewhere = ['core/tiers/memory-tier.ts #slots', 'core/tiers/slabs.ts #slabs']
    const found = collections()
    expect(Object.keys(ROWS).filter((name) => !found.includes(name) && !elsewhere.includes(name))).toEqual([])
  })

  describe('and its gauges', () => {
    let server: RedisServer
    let cache: FallbackCache
    beforeAll(async () => {
      server = await RedisServer.start()
      await loadSharedStore()
      cache = new FallbackCache({ redis: server.url })
      fallbackCache({ cache, mode: 'shadow' })
    })
    afterAll(async () => {
      await cache.close()
      await server.stop()
    })

    it('are among those of stats()', () => {
      const gauges = rows.flatMap(([, , , cell = '']) =>
        Array.from(cell.matchAll(/`([\w.]+)`/g), ([, gauge = '']) => gauge),
      )
      expect(gauges.length).toBeGreaterThan(15)
      for (const gauge of gauges) {
        let value: unknown = cache.stats()
        for (const name of gauge.split('.')) value = (value as Record<string, unknown>)[name]
        expect(typeof value, gauge).toBe('number')
      }
    })
  })
})
