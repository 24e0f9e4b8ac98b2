import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mayReuse, requestControl } from '../../src/http/rules/reusable.js'
import { isStorable } from '../../src/http/rules/storable.js'
import { PROXY_STORAGE } from '../../src/http/rules/storage-policy.js'
import { matchesSelecting, selectingFields, selectingValues } from '../../src/http/rules/vary.js'
import { parseCacheControl } from '../../src/http/syntax/cache-control.js'
import { formatHttpDate } from '../../src/http/syntax/http-date.js'

/** What the test needs of http-cache-semantics, which declares its types in JavaScript only. */
interface CachePolicy {
  now(): number
  storable(): boolean
  evaluateRequest(request: object): { response: object | undefined; revalidation: { synchronous: boolean } | undefined }
}
type CachePolicyClass = new (request: object, response: object, options: object) => CachePolicy
const CachePolicy: CachePolicyClass = createRequire(import.meta.url)('http-cache-semantics')

const receivedAt = Date.UTC(2026, 10, 22, 12)
const at = (seconds: number) => formatHttpDate(receivedAt + seconds * 1000)

/** A response is stored, and some seconds later a request comes for the same URI. */
interface Scenario {
  readonly status: number
  readonly first: Readonly<Record<string, string>>
  readonly response: Readonly<Record<string, string>>
  readonly later: number
  readonly second: Readonly<Record<string, string>>
}

/** Whether our rules, in the proxy preset, send the stored response without asking the origin. */
function ours({ status, first, response, later, second }: Scenario): boolean {
  const request = { method: 'GET', protocol: 'https', host: 'example.com', url: '/', headers: first }
  const times = { requestedAt: receivedAt, receivedAt }
  const found = isStorable(request, { status, fields: response }, times, PROXY_STORAGE)
  if (!found.storable) return false
  const names = selectingFields(response, [], true)
  if (names === '*' || !matchesSelecting(names, selectingValues(names, first), second)) return false
  const reuse = mayReuse(
    { ...found, control: found.by.control, receivedAt },
    requestControl(second),
    receivedAt + later * 1000,
  )
  return reuse === 'fresh' || reuse === 'stale-while-revalidate' || reuse === 'max-stale'
}

/** The same question to http-cache-semantics, as a shared cache. */
function theirs({ status, first, response, later, second }: Scenario): boolean {
  class At extends CachePolicy {
    static moment = receivedAt
    override now(): number {
      return At.moment
    }
  }
  const policy = new At({ method: 'GET', url: '/', headers: first }, { status, headers: response }, { shared: true })
  if (!policy.storable()) return false
  At.moment = receivedAt + later * 1000
  const answer = policy.evaluateRequest({ method: 'GET', url: '/', headers: second })
  return answer.response !== undefined && answer.revalidation?.synchronous !== true
}

/** A difference on purpose. */
interface Disagreement {
  /** What we do, and why. */
  readonly why: string
  /** Who of the two sends the stored response. */
  readonly reuses: 'we' | 'they'
  /** The smallest scenario that shows it. */
  readonly example: Partial<Scenario>
  /** Whether a scenario has what it takes. */
  readonly when: (scenario: Scenario) => boolean
}

const control = ({ response }: Scenario) => parseCacheControl(response['cache-control'])
const wishes = ({ second }: Scenario) => requestControl(second)
const text = ({ response }: Scenario) => response['cache-control'] ?? ''
const stated = (scenario: Scenario) => control(scenario).sMaxage ?? control(scenario).maxAge
const repeats = (scenario: Scenario) =>
  [text(scenario), scenario.second['cache-control'] ?? ''].some((value) => {
    const names = value.split(',').map((directive) => directive.split('=')[0]?.trim())
    return new Set(names).size < names.length
  })

const disagreements: readonly Disagreement[] = [
  {
    why: 'Directive names are case-insensitive (RFC 9111, 5.2): we obey, they look for lower case.',
    reuses: 'they',
    example: { response: { 'cache-control': 'max-age=60, No-Store' } },
    when: (scenario) => /[A-Z]/.test(text(scenario)),
  },
  {
    why: 'Directive names are case-insensitive (RFC 9111, 5.2): we read the lifetime, they miss it.',
    reuses: 'we',
    example: { response: { 'cache-control': 'Max-Age=60' } },
    when: (scenario) => /[A-Z]/.test(text(scenario)),
  },
  {
    why: 'A quoted string is one argument (RFC 9110, 5.6.4): they find directives inside it.',
    reuses: 'they',
    example: { response: { 'cache-control': 'x="a, max-age=60, b"' } },
    when: (scenario) => text(scenario).includes('"'),
  },
  {
    why: 'A quoted string is one argument (RFC 9110, 5.6.4): they find restrictions inside it.',
    reuses: 'we',
    example: { response: { 'cache-control': 'max-age=60, x="a, no-store, b"' } },
    when: (scenario) => text(scenario).includes('"'),
  },
  {
    why: 'A lifetime that is no number means stale (RFC 9111, 4.2.1): they read as far as there are digits.',
    reuses: 'they',
    example: { response: { 'cache-control': 'max-age=60s' } },
    when: (scenario) => /max-?age=(?![0-9]+ *(?:,|$))/.test(text(scenario)),
  },
  {
    why: 'Of a repeated directive the first counts (RFC 9111, 4.2.1): they take the last.',
    reuses: 'they',
    example: { response: { 'cache-control': 'max-age=1, max-age=60' } },
    when: repeats,
  },
  {
    why: 'Of a repeated directive the first counts (RFC 9111, 4.2.1): they take the last.',
    reuses: 'we',
    example: { response: { 'cache-control': 'max-age=60, max-age=1' } },
    when: repeats,
  },
  {
    why: 'must-revalidate is about stale responses (RFC 9111, 5.2.2.2): they never send a fresh one either.',
    reuses: 'we',
    example: { response: { 'cache-control': 'max-age=60, must-revalidate' } },
    when: (scenario) => control(scenario).mustRevalidate,
  },
  {
    why: 'proxy-revalidate is about stale responses (RFC 9111, 5.2.2.8): they take fresh ones for stale.',
    reuses: 'we',
    example: { response: { 'cache-control': 'max-age=60, proxy-revalidate' } },
    when: (scenario) => control(scenario).proxyRevalidate,
  },
  {
    why: 'proxy-revalidate forbids stale responses (RFC 9111, 5.2.2.8): they send them on max-stale or in a window.',
    reuses: 'they',
    example: { response: { 'cache-control': 'max-age=1, proxy-revalidate' }, second: { 'cache-control': 'max-stale' } },
    when: (scenario) => control(scenario).proxyRevalidate,
  },
  {
    why: 's-maxage forbids stale responses (RFC 9111, 5.2.2.10): they send them on max-stale or in a window.',
    reuses: 'they',
    example: { response: { 'cache-control': 's-maxage=1, stale-while-revalidate=60' } },
    when: (scenario) => control(scenario).sMaxage !== undefined && scenario.later >= (control(scenario).sMaxage ?? 0),
  },
  {
    why: 'no-cache forbids every use without validation (RFC 9111, 5.2.2.4): they give way to max-stale and to windows.',
    reuses: 'they',
    example: { response: { 'cache-control': 'max-age=60, no-cache' }, second: { 'cache-control': 'max-stale' } },
    when: (scenario) => control(scenario).noCache,
  },
  {
    why: 'no-cache="…" concerns those fields only (RFC 9111, 5.2.2.4): they take it for no-cache.',
    reuses: 'we',
    example: { response: { 'cache-control': 'max-age=60, no-cache="x-a"' } },
    when: (scenario) => control(scenario).noCacheFields.length > 0,
  },
  {
    why: 'private="…" concerns those fields only (RFC 9111, 5.2.2.7): they take it for private.',
    reuses: 'we',
    example: { response: { 'cache-control': 'max-age=60, private="x-a"' } },
    when: (scenario) => control(scenario).privateFields.length > 0,
  },
  {
    why: 'Set-Cookie does not inhibit caching (RFC 9111, 7.3): the proxy preset goes by the letter, they want public.',
    reuses: 'we',
    example: { response: { 'cache-control': 'max-age=60', 'set-cookie': 'a=1' } },
    when: ({ response }) => response['set-cookie'] !== undefined,
  },
  {
    why: 'A response without lifetime and validator is not worth storing: they give it a lifetime of 0, and then its window or max-stale counts.',
    reuses: 'they',
    example: { response: { 'cache-control': 'stale-while-revalidate=60' } },
    when: (scenario) => {
      const { expires, 'last-modified': modified } = scenario.response
      return stated(scenario) === undefined && expires === undefined && modified !== at(-1000)
    },
  },
  {
    why: 'Any final status may be stored when the response says so (RFC 9111, 3): they know fourteen.',
    reuses: 'we',
    example: { status: 500, response: { 'cache-control': 'max-age=60' } },
    when: ({ status }) => status === 500 || status === 299,
  },
  {
    why: 'must-understand lifts no-store for a status that is understood (RFC 9111, 5.2.2.3): they do not know it.',
    reuses: 'we',
    example: { response: { 'cache-control': 'max-age=60, must-understand, no-store' } },
    when: (scenario) => control(scenario).mustUnderstand,
  },
  {
    why: 'immutable gives no lifetime (RFC 8246, 2): they make it a day.',
    reuses: 'they',
    example: { response: { 'cache-control': 'immutable' } },
    when: (scenario) => control(scenario).immutable && stated(scenario) === undefined,
  },
  {
    why: 'An immutable response answers a reload with max-age=0 (RFC 8246, 2.1): they validate it.',
    reuses: 'we',
    example: { response: { 'cache-control': 'max-age=60, immutable' }, second: { 'cache-control': 'max-age=0' } },
    when: (scenario) => control(scenario).immutable && wishes(scenario)?.maxAge !== undefined,
  },
  {
    why: 'A request with max-age wants no stale response (RFC 9111, 5.2.1.1): they send it inside the window.',
    reuses: 'they',
    example: {
      response: { 'cache-control': 'max-age=1, stale-while-revalidate=60' },
      second: { 'cache-control': 'max-age=30' },
    },
    when: (scenario) => wishes(scenario)?.maxAge !== undefined && (control(scenario).staleWhileRevalidate ?? 0) > 0,
  },
  {
    why: 'A Date in the past counts as age (RFC 9111, 4.2.3): they go by Age alone.',
    reuses: 'they',
    example: { response: { 'cache-control': 'max-age=60', date: at(-3600) } },
    when: ({ response }) => response.date !== undefined && Date.parse(response.date) < receivedAt,
  },
  {
    why: 'An Age that is no number is ignored (RFC 9111, 5.1): they take a negative one for youth.',
    reuses: 'they',
    example: { response: { 'cache-control': 'max-age=1', age: '-60' } },
    when: ({ response }) => response.age !== undefined && !/^[0-9]+$/.test(response.age),
  },
  {
    why: 'An Age that is no number is ignored (RFC 9111, 5.1): they read as far as there are digits.',
    reuses: 'we',
    example: { response: { 'cache-control': 'max-age=60', age: '60.5' } },
    when: ({ response }) => response.age !== undefined && !/^[0-9]+$/.test(response.age),
  },
  {
    why: 'A date has one of three formats (RFC 9110, 5.6.7): they read all that Date.parse does.',
    reuses: 'they',
    example: { response: { expires: '2050-01-01' } },
    when: ({ response }) => response.expires === '2050-01-01',
  },
  {
    why: 'Spaces behind the commas of a negotiated field do not count (RFC 9111, 4.1): they compare texts.',
    reuses: 'we',
    example: {
      response: { 'cache-control': 'max-age=60', vary: 'accept-language' },
      first: { 'accept-language': 'en, de' },
      second: { 'accept-language': 'en,de' },
    },
    when: ({ response, first, second }) =>
      response.vary !== undefined && first['accept-language'] !== second['accept-language'],
  },
  {
    why: 'Pragma in a response means nothing (RFC 9111, 5.4): they take it for Cache-Control: no-cache.',
    reuses: 'we',
    example: { response: { expires: at(60), pragma: 'no-cache' } },
    when: ({ response }) => response.pragma !== undefined,
  },
  {
    why: 'Pragma in a request counts only without Cache-Control (RFC 9111, 5.4): they obey it beside it.',
    reuses: 'we',
    example: {
      response: { 'cache-control': 'max-age=60' },
      second: { pragma: 'no-cache', 'cache-control': 'max-age=60' },
    },
    when: ({ second }) => second.pragma !== undefined && second['cache-control'] !== undefined,
  },
  {
    why: 'A targeted field replaces Cache-Control and Expires (RFC 9213, 2.2): they do not know it.',
    reuses: 'we',
    example: { response: { 'cdn-cache-control': 'max-age=60', 'cache-control': 'no-store' } },
    when: ({ response }) => response['cdn-cache-control'] !== undefined,
  },
  {
    why: 'A targeted field replaces Cache-Control and Expires (RFC 9213, 2.2): they do not know it.',
    reuses: 'they',
    example: { response: { 'cdn-cache-control': 'no-store', 'cache-control': 'max-age=60' } },
    when: ({ response }) => response['cdn-cache-control'] !== undefined,
  },
]

const plain: Scenario = { status: 200, first: {}, response: {}, later: 5, second: {} }

describe('http-cache-semantics', () => {
  it.each(disagreements)('differs: $why', ({ reuses, example, when }) => {
    const scenario = { ...plain, ...example }
    expect({ we: ours(scenario), they: theirs(scenario) }).toEqual({ we: reuses === 'we', they: reuses === 'they' })
    expect(when(scenario)).toBe(true)
  })

  it('agrees with ours in all that is not explained above', () => {
    let agreed = 0
    let sent = 0
    fc.assert(
      fc.property(scenarios, (scenario) => {
        const we = ours(scenario)
        const they = theirs(scenario)
        if (we === they) {
          agreed += 1
          if (we) sent += 1
          return true
        }
        return disagreements.some(({ reuses, when }) => (reuses === 'we') === we && when(scenario))
      }),
      { numRuns: 20_000 },
    )
    // Most scenarios say something about both, and a good part of them is a hit.
    expect(agreed).toBeGreaterThan(10_000)
    expect(sent).toBeGreaterThan(1000)
  })
})

const seconds = fc.constantFrom('0', '1', '10', '60', '3600')

const responseDirective = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom('max-age', 's-maxage'), seconds).map((pair) => pair.join('=')) },
  fc.tuple(fc.constantFrom('stale-while-revalidate', 'stale-if-error'), seconds).map((pair) => pair.join('=')),
  fc.constantFrom('public', 'private', 'no-store', 'no-cache', 'must-revalidate', 'proxy-revalidate', 'immutable'),
  fc.constantFrom('must-understand', 'no-transform', 'unknown', 'unknown=60', 'no-cache="x-a"', 'private="x-a"'),
  fc.constantFrom('Max-Age=60', 'No-Store', 'max-age=60s', 'x="a, max-age=60, no-store"', 'max-age="60"', 'max-age=-1'),
)

const requestDirective = fc.oneof(
  fc.tuple(fc.constantFrom('max-age', 'max-stale', 'min-fresh'), seconds).map((pair) => pair.join('=')),
  fc.constantFrom('no-cache', 'no-store', 'max-stale', 'no-transform', 'unknown'),
)

const list = (directive: fc.Arbitrary<string>, maxLength: number) =>
  fc.array(directive, { minLength: 1, maxLength }).map((directives) => directives.join(', '))

/** Fields, most of them absent most of the time. */
const sometimes = (fields: Record<string, fc.Arbitrary<string>>) =>
  fc
    .record(Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, fc.option(value, { freq: 1 })])))
    .map((record) => {
      const present = Object.entries(record).filter((entry): entry is [string, string] => entry[1] !== null)
      return Object.fromEntries(present)
    })

const languages = fc.constantFrom('en', 'de', 'en, de', 'de,en', 'EN,de')

const scenarios: fc.Arbitrary<Scenario> = fc.record({
  status: fc.oneof({ weight: 5, arbitrary: fc.constant(200) }, fc.constantFrom(203, 204, 301, 302, 404, 410, 500, 299)),
  first: sometimes({ authorization: fc.constant('Bearer x'), 'accept-language': languages }),
  response: fc
    .tuple(
      fc.option(list(responseDirective, 4), { freq: 6 }),
      sometimes({
        age: fc.constantFrom('0', '5', '60', '-60', '60.5'),
        date: fc.constantFrom(at(0), at(-30), at(-3600), at(30)),
      }),
      sometimes({
        expires: fc.constantFrom(at(60), at(-60), '0', '2050-01-01'),
        'last-modified': fc.constantFrom(at(-1000), at(1000), 'x'),
      }),
      fc.option(
        sometimes({
          vary: fc.constantFrom('accept-language', 'Accept-Language, x-b', '*'),
          'set-cookie': fc.constant('a=1'),
        }),
        { freq: 1 },
      ),
      fc.option(
        sometimes({
          pragma: fc.constant('no-cache'),
          'cdn-cache-control': fc.constantFrom('max-age=60', 'no-store', '&'),
        }),
        { freq: 1 },
      ),
    )
    .map(([directives, ...others]): Record<string, string> => {
      const fields: Record<string, string> = Object.assign({}, ...others)
      return directives === null ? fields : { ...fields, 'cache-control': directives }
    }),
  later: fc.constantFrom(1, 5, 30, 61, 120),
  second: sometimes({
    'cache-control': list(requestDirective, 2),
    pragma: fc.constant('no-cache'),
    'accept-language': languages,
  }),
})
