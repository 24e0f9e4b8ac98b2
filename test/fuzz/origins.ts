import express5, { type Express } from 'express'
import createExpress4 from 'express4'
import Koa from 'koa'
import Koa2 from 'koa2'
import type { RequestHead } from '../../src/http/port/request-head.js'
import { CONTRADICTORY } from '../../src/http/rules/origin.js'
import { PrimaryKeys } from '../../src/http/store/primary-key.js'
import { expressHost } from '../../src/middleware/express/application.js'
import { otherOriginOf } from '../../src/middleware/node/origin-fields.js'
import type { Random } from '../simulation/random.js'
import type { Trial } from './trial.js'

type Headers = Readonly<Record<string, string>>

/** What an application makes of a request, as a text. */
type See = (
  headers: Headers,
  encrypted: boolean,
) => { readonly protocol: string; readonly host: string; readonly all: string }

const hosts = [
  'a',
  'A',
  'a.',
  'a:80',
  'a:443',
  'b',
  'a@b',
  'b@a',
  'a,b',
  'a, b',
  'a/b',
  '[::1]',
  '[::1]:80',
  '',
  'a"',
  'a:',
  'a:x',
  'a b',
]
const protocols = ['http', 'https', 'HTTP', 'https,http', 'http, https', '', 'ws', 'http://a/?']

const inExpress = [false, true].flatMap((trust) =>
  [express5, createExpress4].map((create) => seeByExpress(create, trust)),
)
const inKoa = [false, true].flatMap((trust) =>
  [Koa, Koa2 as unknown as typeof Koa].map((Application) => seeByKoa(Application, trust)),
)
const keys = new PrimaryKeys({ group: '', query: 'all' })

/** Two requests for one path that differ in what they say of their origin. */
export const fuzzOrigins: Trial = (random) => {
  // Express does not run on HTTP/2.
  const isSecond = random.chance(0.3)
  const applications = isSecond ? inKoa : random.pick([inExpress, inKoa])
  const see = random.pick(applications)
  const one = fields(random, isSecond)
  const other = random.chance(0.5) ? fields(random, isSecond) : near(random, one)
  const [left, right] = [keyOf(see, one), keyOf(see, other)]
  if (left === undefined || left !== right || JSON.stringify(one) === JSON.stringify(other)) return { equated: false }
  // What is read raw is named by a Host, or not at all.
  const seen = [one, other].map((each) =>
    JSON.stringify(applications.map((own) => own(each.headers, each.encrypted).all)),
  )
  const raw = [one, other].map(({ headers }) => headers.host ?? headers[':authority'])
  if (seen[0] === seen[1] && raw[0] === raw[1]) return { equated: true }
  return { equated: true, fault: `${JSON.stringify(one)} and ${JSON.stringify(other)}: ${seen.join(' and ')}` }
}

function keyOf(
  see: See,
  { headers, encrypted }: { readonly headers: Headers; readonly encrypted: boolean },
): string | undefined {
  const { protocol, host } = see(headers, encrypted)
  const httpVersionMajor = ':authority' in headers ? 2 : 1
  const other = otherOriginOf({ headers, socket: { encrypted }, httpVersionMajor } as never, protocol, host)
  if (other === CONTRADICTORY) return undefined
  const head: RequestHead = { method: 'GET', url: '/p', protocol, host, headers }
  return keys.of(head, other ?? '')?.identity
}

function fields(random: Random, isSecond: boolean): { readonly headers: Headers; readonly encrypted: boolean } {
  const headers: Record<string, string> = {}
  if (isSecond) {
    headers[':authority'] = random.pick(hosts)
    headers[':scheme'] = random.pick(['http', 'https'])
  }
  if (!isSecond || random.chance(0.5)) headers.host = random.pick(hosts)
  if (random.chance(0.4)) headers['x-forwarded-host'] = random.pick(hosts)
  if (random.chance(0.4)) headers['x-forwarded-proto'] = random.pick(protocols)
  return { headers, encrypted: random.chance(0.3) }
}

/** With a field more, less or changed. */
function near(random: Random, { headers, encrypted }: { readonly headers: Headers; readonly encrypted: boolean }) {
  const changed: Record<string, string> = { ...headers }
  const name = random.pick(['host', 'x-forwarded-host', 'x-forwarded-proto'])
  if (random.chance(0.3)) delete changed[name]
  else
    changed[name] = name === 'x-forwarded-proto' ? random.pick(protocols) : random.pick([headers.host ?? 'a', ...hosts])
  return { headers: changed, encrypted: encrypted !== random.chance(0.2) }
}

function seeByExpress(create: () => Express, trust: boolean): See {
  const app = create()
  app.set('trust proxy', trust)
  return (headers, encrypted) => {
    const socket = { encrypted, remoteAddress: '127.0.0.1' }
    const request = Object.create(app.request, {
      headers: { value: headers },
      socket: { value: socket },
      connection: { value: socket },
    })
    const { protocol, hostname, subdomains } = request
    const host = expressHost(request, app)
    return { protocol, host, all: JSON.stringify({ protocol, hostname, subdomains }) }
  }
}

function seeByKoa(Application: typeof Koa, trust: boolean): See {
  const app = new Application({ proxy: trust })
  return (headers, encrypted) => {
    const request = {
      headers,
      socket: { encrypted, remoteAddress: '127.0.0.1' },
      url: '/p',
      httpVersionMajor: ':authority' in headers ? 2 : 1,
    }
    const { protocol, host, hostname, origin, subdomains, href } = app.createContext(request as never, {} as never)
    return { protocol, host, all: JSON.stringify({ protocol, host, hostname, origin, subdomains, href }) }
  }
}
