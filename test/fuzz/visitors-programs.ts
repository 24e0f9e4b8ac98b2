import { Readable } from 'node:stream'
import fc from 'fast-check'

/** What middleware in front of the cache does, for all visitors or for one. It reads who asks where the cache does not see it. */
export interface FrontAct {
  readonly put:
    | 'status'
    | 'reason'
    | 'type'
    | 'field'
    | 'cookie'
    | 'vary'
    | 'value'
    | 'object'
    | 'local'
    | 'list'
    | 'url'
  readonly only: 'ann' | undefined
}

/** What a handler makes its page from. */
export type Read =
  | `field ${string}`
  | `cookie ${string}`
  | 'the Cookie field'
  | 'the query'
  | 'the URL'
  | 'the status'
  | `set field ${string}`
  | 'all set fields'
  | 'value'
  | 'object'
  | 'local'
  | 'list'
  | 'locals'

/** An application with one page. */
export interface Program {
  readonly front: readonly FrontAct[]
  readonly reads: readonly Read[]
  readonly status: number
  readonly fields: Readonly<Record<string, string>>
  readonly body: 'text' | 'bytes' | 'json' | 'stream' | 'chunks' | 'head first' | 'nothing'
  readonly isLate: boolean
}

/** One request of one visitor. */
export interface Visit {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly query: string
  readonly fields: Readonly<Record<string, string>>
}

/** What a host lets middleware and handlers do. */
export interface Place {
  readonly url: string
  field(name: string): string | undefined
  cookie(name: string): string | undefined
  query(): string
  status(): number
  setStatus(status: number, reason?: string): void
  setField(name: string, value: string): void
  setFieldOf(name: string): string | undefined
  allSetFields(): object
  rewrite(url: string): void
  leave(name: string, value: unknown): void
  left(name: string): unknown
  leaveLocal(name: string, value: unknown): void
  local(name: string): unknown
  locals(): object
  answer(answer: Answer): void
}

/** An answer that a host sends in its own way. */
export interface Answer {
  readonly body: Program['body']
  readonly text: string
}

/** Each act of middleware in front, for the visitor who asks. */
const FRONT: Readonly<Record<FrontAct['put'], (place: Place, who: string) => void>> = {
  status: (place, who) => place.setStatus(who === 'bob' ? 402 : 203),
  reason: (place, who) => place.setStatus(200, `For ${who}`),
  type: (place, who) => place.setField('Content-Type', who === 'bob' ? 'text/x-bob' : 'text/x-any'),
  field: (place, who) => place.setField('X-Lang', `lang ${who}`),
  cookie: (place, who) => place.setField('Set-Cookie', `visit=${who}`),
  vary: (place) => place.setField('Vary', 'Origin'),
  value: (place, who) => place.leave('setting', who),
  object: (place, who) => place.leave('device', { of: { who } }),
  local: (place, who) => place.leaveLocal('setting', who),
  list: (place, who) => place.leaveLocal('messages', [who]),
  url: (place, who) => place.rewrite(`${place.url}${place.url.includes('?') ? '&' : '?'}plan=${who}`),
}

const front: fc.Arbitrary<FrontAct> = fc.record({
  put: fc.constantFrom(...(Object.keys(FRONT) as FrontAct['put'][])),
  only: fc.constantFrom(undefined, undefined, 'ann' as const),
})

const READS: readonly Read[] = [
  ...(['field x-who', 'field accept-language', 'cookie theme', 'the Cookie field', 'the query', 'the URL'] as const),
  ...(['set field x-lang', 'set field x-lang', 'set field set-cookie', 'all set fields', 'the status'] as const),
  ...(['value', 'object', 'local', 'list', 'locals', 'value', 'object', 'local', 'locals'] as const),
]

const BODIES: readonly Program['body'][] = [
  'text',
  'text',
  'bytes',
  'json',
  'stream',
  'chunks',
  'head first',
  'nothing',
]

const control = fc.constantFrom(
  '',
  '',
  '',
  'max-age=60',
  'private',
  'no-store',
  'no-cache',
  'max-age=0',
  'public, max-age=60',
)

const fields = fc
  .record({
    'Cache-Control': control,
    ETag: fc.constantFrom('', '', '"v1"', 'W/"v1"'),
    'Last-Modified': fc.constantFrom('', '', 'Sun, 06 Nov 1994 08:49:37 GMT'),
    Vary: fc.constantFrom('', '', 'X-Who', 'Accept-Language', 'Cookie', '*'),
    'Set-Cookie': fc.constantFrom('', '', '', 'a=1'),
    Link: fc.constantFrom('', '', '</a>; rel=next'),
  })
  .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== '')))

/** Applications; one that calls a page public makes it from no cookie. */
export const programs: fc.Arbitrary<Program> = fc
  .record({
    front: fc.array(front, { maxLength: 4 }),
    reads: fc.array(fc.constantFrom(...READS), { maxLength: 4 }),
    status: fc.constantFrom(0, 0, 0, 0, 200, 201, 404, 410, 500, 204, 301),
    fields,
    body: fc.constantFrom(...BODIES),
    isLate: fc.boolean(),
  })
  .filter(({ fields: { 'Cache-Control': said = '' }, reads }) => !said.includes('public') || !reads.some(isOfCookie))

function isOfCookie(one: Read): boolean {
  return one.includes('ookie')
}

const asked = fc.oneof(
  { weight: 8, arbitrary: fc.constant({}) },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Readonly<Record<string, string>>[]>(
      { range: 'bytes=0-2' },
      { range: 'bytes=-2' },
      { range: 'bytes=900-' },
      { range: 'bytes=0-2', 'if-range': '"v1"' },
      { 'if-none-match': '"v1"' },
      { 'if-none-match': '*' },
      { 'if-modified-since': 'Mon, 07 Nov 1994 08:49:37 GMT' },
      { 'if-match': '"v2"' },
      { 'cache-control': 'no-cache' },
    ),
  },
)

const METHODS: readonly Visit['method'][] = ['GET', 'GET', 'GET', 'GET', 'GET', 'HEAD', 'POST']

/** Visits of several visitors to one page. */
export const visits: fc.Arbitrary<readonly Visit[]> = fc.array(
  fc
    .record({
      method: fc.constantFrom(...METHODS),
      query: fc.constantFrom('', '', '', '?a=1', '?a=2'),
      who: fc.constantFrom('', 'ann', 'bob'),
      language: fc.constantFrom('', '', 'de', 'en;q=0.5'),
      cookie: fc.constantFrom('', '', 'theme=dark', 'theme=light', 'sid=1', '_ga=2'),
      asked,
    })
    .map(({ method, query, who, language, cookie, asked: more }) => ({
      method,
      query,
      fields: Object.fromEntries(
        Object.entries({ 'x-who': who, 'accept-language': language, cookie, ...more }).filter(
          ([, value]) => value !== '',
        ),
      ),
    })),
  { minLength: 2, maxLength: 10 },
)

/** Runs the middleware in front. @param who - the visitor, as the cache does not see it read */
export function runFront({ front: acts }: Program, place: Place, who: string): void {
  for (const { put, only } of acts) if (only === undefined || only === who) FRONT[put](place, who)
}

/** Runs the handler: a page is made from what is read, and from nothing else. */
export async function runHandler({ reads, status, fields: set, body, isLate }: Program, place: Place): Promise<void> {
  if (isLate) await new Promise((resolve) => setImmediate(resolve))
  const text = `page ${reads.map((one) => `${one}: ${told(one, place)}`).join('; ')}`
  if (status !== 0) place.setStatus(status)
  for (const [name, value] of Object.entries(set)) place.setField(name, value)
  place.answer({ body, text })
}

function told(one: Read, place: Place): string {
  const [kind, name = ''] = one.split(/ (?=[\w-]+$)/)
  if (kind === 'field') return String(place.field(name))
  if (kind === 'cookie') return String(place.cookie(name))
  if (kind === 'set field') return String(place.setFieldOf(name))
  const others: Readonly<Record<string, () => unknown>> = {
    'the Cookie field': () => place.field('cookie'),
    'the query': () => place.query(),
    'the URL': () => place.url,
    'the status': () => place.status(),
    'all set fields': () => place.allSetFields(),
    value: () => place.left('setting'),
    object: () => (place.left('device') as { of: { who: string } } | undefined)?.of.who,
    local: () => place.local('setting'),
    list: () => (place.local('messages') as string[] | undefined)?.[0],
    locals: () => ({ ...place.locals() }),
  }
  return JSON.stringify(others[one]?.()) ?? 'none'
}

/** The body of an answer, for a host that takes any. */
export function bodyOf({ body, text }: Answer): string | Buffer | object | Readable | undefined {
  if (body === 'nothing') return undefined
  if (body === 'bytes') return Buffer.from(text)
  if (body === 'json') return { text }
  return body === 'stream' || body === 'chunks' ? Readable.from([text.slice(0, 4), text.slice(4)]) : text
}
