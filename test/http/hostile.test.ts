import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { correctedInitialAge, parseAge } from '../../src/http/rules/age.js'
import { isNotModified, isRangeApplicable } from '../../src/http/rules/conditional.js'
import { credentialNames, credentialsOf } from '../../src/http/rules/credentials.js'
import { isEndless } from '../../src/http/rules/endless-types.js'
import { explicitLifetime } from '../../src/http/rules/freshness.js'
import { cacheGroups } from '../../src/http/rules/groups.js'
import { invalidatedTargets } from '../../src/http/rules/invalidation.js'
import { requestControl } from '../../src/http/rules/reusable.js'
import { APPLICATION_STORAGE } from '../../src/http/rules/storage-policy.js'
import { responseControl } from '../../src/http/rules/targeted.js'
import { parseVary, selectingValues } from '../../src/http/rules/vary.js'
import { PrimaryKeys } from '../../src/http/store/primary-key.js'
import { acceptsIdentity, preferredCoding } from '../../src/http/syntax/accept-encoding.js'
import { MAX_DELTA_SECONDS, parseCacheControl } from '../../src/http/syntax/cache-control.js'
import { listEntityTags } from '../../src/http/syntax/entity-tag.js'
import { parseHttpDate } from '../../src/http/syntax/http-date.js'
import { parseNoVarySearch, SearchRule } from '../../src/http/syntax/no-vary-search.js'
import { parseContentRange, parseRange } from '../../src/http/syntax/range.js'
import { parseDictionary, parseList } from '../../src/http/syntax/structured-fields.js'
import { pathOf } from '../../src/http/syntax/target.js'

const NOW = Date.UTC(2026, 0, 1)
const keys = new PrimaryKeys({ group: '', query: 'sorted' })

const RULES = [new SearchRule(true, ['a'], true), new SearchRule(true, ['a'], false), new SearchRule(false, [], true)]

/** Every parser of a text that a client or a handler decides about. */
const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  'Cache-Control': parseCacheControl,
  'Cache-Control of a request': (text) => requestControl({ 'cache-control': text, pragma: text }),
  'a targeted field': (text) => responseControl({ 'fallback-cache-control': text }, ['fallback-cache-control']),
  Age: parseAge,
  'HTTP-date': (text) => parseHttpDate(text, NOW),
  Range: (text) => parseRange(text, 1_000),
  'Content-Range': parseContentRange,
  'If-Range': (text) => isRangeApplicable({ 'if-range': text }, { etag: '"a"' }, NOW),
  'If-None-Match': (text) =>
    isNotModified({ method: 'GET', headers: { 'if-none-match': text } }, { etag: '"a"' }, NOW, NOW),
  'If-Modified-Since': (text) => isNotModified({ method: 'GET', headers: { 'if-modified-since': text } }, {}, NOW, NOW),
  'entity tags': listEntityTags,
  Vary: parseVary,
  Accept: (text) => selectingValues(['accept'], { accept: text }),
  'Accept-Language': (text) => selectingValues(['accept-language'], { 'accept-language': text }),
  'Accept-Encoding': (text) => [preferredCoding(text, ['br', 'gzip']), acceptsIdentity(text)],
  'No-Vary-Search': (text) => [parseNoVarySearch(text), parseNoVarySearch(`params=(${text})`)],
  'a selecting list': (text) => selectingValues(['x-any'], { 'x-any': text }),
  'a Structured List': parseList,
  'a Structured Dictionary': parseDictionary,
  'Cache-Groups': (text) => cacheGroups({ 'cache-groups': text }),
  'Content-Type': (text) => isEndless({ 'content-type': text }),
  Cookie: (text) => credentialsOf({ cookie: text }, APPLICATION_STORAGE),
  'the names of cookies': (text) => credentialNames({ cookie: text }, APPLICATION_STORAGE),
  Location: (text) =>
    invalidatedTargets(
      { method: 'POST', protocol: 'http', host: 'a', url: '/' },
      { status: 201, fields: { location: text } },
    ),
  'a query by No-Vary-Search': (text) =>
    RULES.map((rule) =>
      keys.under(rule, { method: 'GET', url: `/?${text}`, protocol: 'http', host: 'a', headers: {} }, '', undefined),
    ),
  'a target': (text) => [
    pathOf(text),
    keys.of({ method: 'GET', url: `/${text}`, protocol: 'http', host: 'a', headers: {} }, ''),
  ],
}

/** What makes parsers go back and forth. */
const PIECES = [
  ',',
  ';',
  '=',
  '"',
  '\\',
  ' ',
  '\t',
  '-',
  '/',
  '*',
  '%',
  '%2',
  'a',
  '0',
  '9',
  'W/',
  'bytes=',
  'é',
  '\u0000',
  '(',
  '?',
  '&',
]
const pieces = fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((parts) => parts.join(''))

describe.each(Object.entries(PARSERS))('the parser of %s', (_name, parse) => {
  it('never throws', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), pieces), (text) => void parse(text)))
  })

  it('reads 64 KB of anything in bounded time', () => {
    for (const piece of [...PIECES, '"a",', '"\\', 'a=', 'a="b', '1-2,', ' ,', '; q=0.', '%20', 'sid=']) {
      const text = piece.repeat(Math.ceil(65_536 / piece.length))
      const startedAt = process.cpuUsage()
      parse(text)
      const { user, system } = process.cpuUsage(startedAt)
      expect((user + system) / 1000, piece).toBeLessThan(500)
    }
  })
})

describe('what cannot be read', () => {
  const noise = fc.oneof(fc.string(), pieces)

  it('never makes a response younger than it would be without it', () => {
    fc.assert(
      fc.property(noise, (text) => {
        const fields = { date: new Date(NOW - 10_000).toUTCString(), age: text }
        expect(correctedInitialAge(fields, NOW, NOW)).toBeGreaterThanOrEqual(10_000)
      }),
    )
  })

  it('never gives a lifetime that no integer states', () => {
    fc.assert(
      fc.property(noise, (text) => {
        for (const value of [`max-age=${text}`, `s-maxage=${text}`]) {
          const fields = { 'cache-control': value }
          const lifetime = explicitLifetime(fields, responseControl(fields, []), NOW)?.lifetime ?? 0
          const stated = [...value.matchAll(/\d+/g)].map(([digits]) => Math.min(Number(digits), MAX_DELTA_SECONDS))
          expect([0, ...stated]).toContain(lifetime)
        }
      }),
    )
  })

  it('takes an Expires that is no date for the past', () => {
    fc.assert(
      fc.property(noise, (text) => {
        const fields = { expires: text }
        const { lifetime } = explicitLifetime(fields, responseControl(fields, []), NOW) ?? {}
        if (parseHttpDate(text, NOW) === undefined) expect(lifetime).toBe(0)
      }),
    )
  })
})
