import cookieParser from 'cookie-parser'
import express5, { type Request } from 'express'
import express4 from 'express4'
import { describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'
import { ask } from '../middleware/hosts/client.js'
import { listen } from '../middleware/hosts/listen.js'

/** What every object has under a name is no input; a text is one that the client has sent. */
const textOf = (value: unknown) => (typeof value === 'string' ? value : 'guest')

const NAMES = ['constructor', 'then', 'toString', 'hasOwnProperty', 'valueOf', 'toJSON', '$$typeof']

describe.each([
  ['Express 5', express5],
  ['Express 4', express4 as unknown as typeof express5],
])('names that every object has, in %s', (_, make) => {
  async function told(read: (req: Request) => unknown, asks: readonly (readonly [string, Record<string, string>])[]) {
    const app = make()
      .set('query parser', 'extended')
      .use(fallbackCache({ ttl: 60, query: ['page'] }), cookieParser())
    app.get('/', (req, res) => void res.send(`for ${textOf(read(req))}`))
    const running = await listen(app)
    try {
      const got: string[] = []
      for (const [path, fields] of asks) got.push((await ask(running.port, path, { fields })).text)
      return got
    } finally {
      await running.close()
    }
  }

  const WHO = ['for guest', 'for ann', 'for bob', 'for guest']

  it.each(NAMES.filter((name) => name === name.toLowerCase()))(
    'hands no page of a guest out for the field %s',
    async (name) => {
      const asks = [undefined, 'ann', 'bob', undefined].map(
        (who) => ['/', who === undefined ? {} : { [name]: who }] as const,
      )
      expect(await told((req) => req.headers[name], asks as never)).toEqual(WHO)
    },
  )

  it.each(NAMES)('hands no page of a guest out for the cookie %s', async (name) => {
    const asks = [undefined, 'ann', 'bob', undefined].map(
      (who) => ['/', { cookie: `a=1${who ? `; ${name}=${who}` : ''}` }] as const,
    )
    expect(await told((req) => req.cookies[name], asks)).toEqual(WHO)
  })

  it.each(NAMES)('hands no page of a guest out for the parameter %s', async (name) => {
    const asks = [undefined, 'ann', 'bob', undefined].map(
      (who) => [`/?page=1${who ? `&${name}=${who}` : ''}`, {}] as const,
    )
    // Parsers leave out some of the names.
    const own = await told((req) => req.query[name], [asks[1]] as never)
    expect(await told((req) => req.query[name], asks)).toEqual(
      WHO.map((who) => (who === 'for guest' ? who : own[0] === 'for guest' ? 'for guest' : who)),
    )
  })
})
