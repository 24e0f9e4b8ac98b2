import { describe, expect, it } from 'vitest'
import { correctedInitialAge } from '../../src/http/rules/age.js'
import { isNotModified, isRangeApplicable } from '../../src/http/rules/conditional.js'
import { credentialsOf, isCredentialField, isSessionCookie } from '../../src/http/rules/credentials.js'
import { cacheGroups, responseTags } from '../../src/http/rules/groups.js'
import { invalidatedTargets } from '../../src/http/rules/invalidation.js'
import { otherOrigin } from '../../src/http/rules/origin.js'
import { requestControl } from '../../src/http/rules/reusable.js'
import { endToEndFields } from '../../src/http/rules/stored-fields.js'
import { matchesSelecting, parseVary, selectingValues, uniteVary } from '../../src/http/rules/vary.js'
import { namedPaths } from '../../src/http/store/named-paths.js'
import { PrimaryKeys, prefixesOfPath } from '../../src/http/store/primary-key.js'
import { preferredCoding } from '../../src/http/syntax/accept-encoding.js'
import { parseCacheControl } from '../../src/http/syntax/cache-control.js'
import { listEntityTags } from '../../src/http/syntax/entity-tag.js'
import { type Fields, listMembers } from '../../src/http/syntax/fields.js'
import { parseHttpDate } from '../../src/http/syntax/http-date.js'
import { parseNoVarySearch } from '../../src/http/syntax/no-vary-search.js'
import { rootParameter } from '../../src/http/syntax/parameters.js'
import { parseContentRange, parseRange } from '../../src/http/syntax/range.js'
import { parseDictionary, parseList } from '../../src/http/syntax/structured-fields.js'

/** Characters of an attack: four times what node takes in all fields of a request, unless it is told otherwise. */
const LENGTH = 65_536

/** Milliseconds for one attack that need no second look: linear time takes a few. */
const QUICK = 40

/** Milliseconds that linear time does not take, on any machine. */
const LONG = 1_000

const now = Date.UTC(2026, 0, 1)
const request = { protocol: 'http', host: 'a.example', headers: {}, method: 'GET' }
const credentials = { isCredentialField, isSessionCookie, keyedFields: [], reuseForCredentials: false }
const rule = parseNoVarySearch('key-order, params=("a")')
const keysOf = (query: 'all' | 'sorted' | readonly string[]) => new PrimaryKeys({ group: '', query })

/** Everything that reads what a client, or an application for it, can make as long as it likes. */
const readers: Readonly<Record<string, (text: string) => unknown>> = {
  preferredCoding: (text) => preferredCoding(text, ['br', 'gzip']),
  correctedInitialAge: (text) => correctedInitialAge({ age: text, date: text }, now, now),
  parseCacheControl,
  requestControl: (text) => requestControl({ 'cache-control': text, pragma: text }),
  'If-None-Match': (text) =>
    isNotModified({ method: 'GET', headers: { 'if-none-match': text } }, { etag: text }, now, now),
  'If-Modified-Since': (text) =>
    isNotModified({ method: 'GET', headers: { 'if-modified-since': text } }, { 'last-modified': text }, now, now),
  'If-Range': (text) => isRangeApplicable({ 'if-range': text }, { etag: '"a"' }, now),
  cookies: (text) => credentialsOf({ cookie: text }, credentials),
  'the name of a cookie': (text) => credentialsOf({ cookie: `${text}=1` }, credentials),
  'a name after the beginning of a known one': (text) => isSessionCookie(`_hj${text}`),
  'the name of a field': (text) => isCredentialField(text),
  listEntityTags,
  listMembers,
  cacheGroups: (text) => cacheGroups({ 'cache-groups': text }),
  responseTags: (text) => responseTags({ 'cache-groups': text, 'cache-tag': text }, 'http://a.example'),
  parseHttpDate: (text) => parseHttpDate(text, now),
  Location: (text) =>
    invalidatedTargets({ ...request, method: 'POST', url: '/' }, { status: 201, fields: { location: text } }),
  'the target of a POST': (text) =>
    invalidatedTargets({ ...request, method: 'POST', url: `/${text}` }, { status: 201, fields: { location: '/a' } }),
  parseNoVarySearch,
  'a query under a rule': (text) => rule && keysOf('all').under(rule, { ...request, url: `/?${text}` }, '', undefined),
  rootParameter,
  'a path': (text) => keysOf('all').of({ ...request, url: `/${text}` }, ''),
  'a query': (text) => keysOf('all').of({ ...request, url: `/?${text}` }, ''),
  'a sorted query': (text) => keysOf('sorted').of({ ...request, url: `/?${text}` }, ''),
  'a query of named parameters': (text) => keysOf(['a', 'b']).of({ ...request, url: `/?${text}` }, ''),
  'a host': (text) => keysOf('all').of({ ...request, url: '/', host: text }, ''),
  otherOrigin: (text) =>
    otherOrigin(
      { host: text, authority: undefined, scheme: text, forwardedHost: text, forwardedProto: text, encrypted: false },
      'http',
      'a',
    ),
  'the path of invalidate': (text) => namedPaths([[text]])?.flatMap((path) => prefixesOfPath('', path)),
  'a text of invalidate': (text) => {
    try {
      namedPaths([`/a${text}a`])
    } catch {
      // It looks like a pattern.
    }
  },
  parseRange: (text) => parseRange(`bytes=${text}`, 100),
  parseContentRange: (text) => parseContentRange(`bytes ${text}`),
  parseVary,
  uniteVary: (text) => uniteVary(text, text),
  selectingValues: (text) => selectingValues(['accept', 'x-a'], { accept: text, 'x-a': text }),
  matchesSelecting: (text) => matchesSelecting(['accept'], [text], { accept: text }),
  Connection: (text) => endToEndFields({ connection: text, ...manyFields }),
  parseDictionary,
  parseList,
}

const manyFields: Fields = Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`x-${at}`, 'a']))

const pieces = [
  '/',
  '//a',
  '*',
  '/*',
  '%',
  '%2',
  '%2F',
  '%25',
  '%E4',
  '?',
  '#',
  '&',
  '=',
  '&a=',
  '&=',
  'a[',
  '[a]',
  'a[]=1&',
  ']=',
  '.',
  '[',
  ']',
  ',',
  ', ',
  ',,',
  ' ',
  '\t',
  ' \t',
  ';',
  '; ',
  ';q=',
  'a;q=0.1,',
  '"',
  '"a',
  '"a",',
  '\\',
  '\\"',
  '"\\',
  'W/',
  'W/"',
  'W/"a",',
  'a',
  'a,',
  'a=',
  'a="',
  'a=b,',
  'a=b;',
  '0',
  '0-',
  '0-1,',
  '-',
  '1,',
  '9',
  '(',
  '("a"',
  '()',
  ':',
  ':a',
  '@',
  '@1',
  'session',
  'sess',
  'auth',
  'token',
  's',
  'sid',
  '_',
  '_ga',
  '_hj',
  'user',
  'mail',
  'user-',
  'id',
  'tenant-',
  '+',
  '\u00e4',
  '\u{1f600}',
  '\ud800',
]

/**
 * Milliseconds of processor time, the best of three runs or the first one that takes no more than `enough`: other processes of a
 * busy machine do not count.
 */
function timeOf(read: (text: string) => unknown, text: string, enough = QUICK): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < 3 && best > enough; run++) {
    const before = process.cpuUsage()
    read(text)
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / 1000)
  }
  return best
}

/**
 * Whether four times the characters take much more than four times the time: 16 times, if it is quadratic. Believed
 * when it shows twice: a single run may contain a collection of garbage, or the compiler of V8.
 */
function isSuperLinear(read: (text: string) => unknown, textOf: (length: number) => string): boolean {
  const [text, longer] = [textOf(LENGTH), textOf(4 * LENGTH)]
  for (let look = 0; look < 2; look++) {
    const time = timeOf(read, text)
    if (time >= LONG) return true
    if (time < QUICK || timeOf(read, longer, 9 * time) <= 9 * time) return false
  }
  return true
}

/** Takes that many milliseconds of processor time. */
function spend(milliseconds: number): void {
  const before = process.cpuUsage()
  for (let taken = 0; taken < milliseconds; ) {
    const { user, system } = process.cpuUsage(before)
    taken = (user + system) / 1000
  }
}

describe('64 KB of an attack', () => {
  it.each(Object.entries(readers))('take %s no more than linear time', { timeout: 60_000 }, (_, read) => {
    const slow = pieces.filter((piece) => isSuperLinear(read, (length) => `${piece.repeat(length / piece.length)}!a`))
    expect(slow).toEqual([])
  })

  it('would be found to take more', { timeout: 60_000 }, () => {
    const quadratic = (text: string) => spend(1.2 * QUICK * (text.length / LENGTH) ** 2)
    expect(isSuperLinear(quadratic, (length) => 'a'.repeat(length))).toBe(true)
  })
})
