import { createServer } from 'node:http'
import express from 'express'
import Koa from 'koa'
import { describe, expect, it } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { coreOptionNames } from '../../src/core/options.js'
import { ownOptionNames } from '../../src/http/protocol/own-options.js'
import { fallbackCache as forExpress } from '../../src/middleware/express.js'
import { fallbackCache as forKoa } from '../../src/middleware/koa.js'
import { ManualClock } from '../support/manual-clock.js'

/** What users without types, or with an environment variable, may hand in. */
const ODD = {
  null: null,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  zero: 0,
  negative: -1,
  huge: 1e300,
  bigint: 5n,
  true: true,
  'an empty text': '',
  'a long text': 'x'.repeat(100_000),
  symbol: Symbol('s'),
  function: () => 'x',
  'a boxed text': new String('x'),
  'a boxed number': new Number(5),
  date: new Date(0),
  'an empty object': {},
  'an object without a prototype': Object.create(null) as object,
  'an object of symbols': { a: Symbol('s') },
  'an empty list': [],
  'a list of null': [null],
  'a list of symbols': [Symbol('s')],
  'a list with a hole': new Array(1),
  'a list of an empty text': [''],
  'a list of a long text': ['x'.repeat(100_000)],
  'a long list': Array.from({ length: 100_000 }, (_, at) => `n${at}`),
}

type Odd = keyof typeof ODD

const FLAG = ['true'] as const
const FUNCTION = ['function'] as const
/** No names are no error: a list is often computed. */
const LIST = ['an empty list'] as const
/** Nothing is set by it. */
const OBJECT = ['an empty object', 'an object without a prototype'] as const
/** 0 seconds: at once, or never. A lifetime may be longer than any date: it ends with the last one, and a warning asks for the unit. */
const LIFETIME = ['zero', 'huge'] as const
const ZERO = ['zero'] as const

/** Which of them each option takes, and rightly; all else is an error. */
const TAKEN: Readonly<Record<string, readonly Odd[]>> = {
  ttl: LIFETIME,
  staleWhileRevalidate: LIFETIME,
  staleIfError: LIFETIME,
  maxStaleWhileDisconnected: LIFETIME,
  defaultTtl: ['huge'],
  lifetimeJitter: ZERO,
  earlyRefresh: ZERO,
  statusTtl: OBJECT,
  inputs: OBJECT,
  endlessTypes: OBJECT,
  circuitBreaker: OBJECT,
  // No group, no prefix.
  group: ['an empty text'],
  keyPrefix: ['an empty text'],
  maxEntries: ['Infinity'],
  query: LIST,
  targets: LIST,
  vary: LIST,
  tags: [...LIST, ...FUNCTION],
  precompress: LIST,
  key: FUNCTION,
  user: FUNCTION,
  skip: FUNCTION,
  allowRefresh: FUNCTION,
  cacheIf: FUNCTION,
  serializer: FUNCTION,
  deserializer: FUNCTION,
  noVarySearch: FLAG,
  heuristic: FLAG,
  storeSetCookie: FLAG,
  storePartial: FLAG,
  obeyClient: FLAG,
  cacheStatus: FLAG,
  enabled: FLAG,
}

/** Makes something of an option and closes it; the error, if there is one. */
async function thrownBy(make: () => unknown): Promise<Error | undefined> {
  try {
    await (make() as Partial<Pick<FallbackCache, 'close'>>).close?.()
    return undefined
  } catch (thrown) {
    return thrown as Error
  }
}

/** A message names the option, says the rule, and shows a short value. */
function explains(error: Error | undefined, option: string): void {
  expect(error, option).toBeInstanceOf(Error)
  expect(error?.constructor === TypeError || error?.constructor === RangeError, String(error?.stack)).toBe(true)
  expect(error?.message).toMatch(new RegExp(`\\b${option}\\b`))
  expect(error?.message).toMatch(/must|cannot be given together|is for a redis|^unknown option "a" of/)
  expect(error?.message.length).toBeLessThan(300)
}

const make = {
  'fallbackCache of Express': (options: object) => forExpress(options),
  'fallbackCache of Koa': (options: object) => forKoa(options),
  FallbackCache: (options: object) => new FallbackCache(options),
}

describe.each(Object.entries(make))('%s', (owner, makeOf) => {
  const names = owner === 'FallbackCache' ? coreOptionNames : [...ownOptionNames, ...coreOptionNames]
  it.each(names)('takes of odd values for %s only what can be meant', async (option) => {
    for (const [title, value] of Object.entries(ODD)) {
      const error = await thrownBy(() => makeOf({ [option]: value }))
      if (TAKEN[option]?.includes(title as Odd)) expect(error, `${option}: ${title}`).toBeUndefined()
      else explains(error, option)
    }
  })

  it('refuses options that are no object', async () => {
    for (const [title, value] of Object.entries(ODD)) {
      const error = await thrownBy(() => makeOf(value as object))
      if (/^an (empty )?object( without a prototype)?$/.test(title)) expect(error).toBeUndefined()
      else if (title === 'an object of symbols') expect(error?.message).toMatch(/^unknown option "a"/)
      else expect(error?.message, title).toMatch(/^options of \w+ must be an object, got /)
    }
  })
})

describe.each([
  ['Express', forExpress],
  ['Koa', forKoa],
])('with() of %s', (_, fallbackCache) => {
  it('takes of odd values what fallbackCache takes', async () => {
    const cached = fallbackCache({ clock: new ManualClock(0) })
    for (const option of ownOptionNames.filter((name) => name !== 'cache')) {
      for (const [title, value] of Object.entries(ODD)) {
        const error = await thrownBy(() => cached.with({ [option]: value }) && {})
        if (TAKEN[option]?.includes(title as Odd)) expect(error, `${option}: ${title}`).toBeUndefined()
        else explains(error, option)
      }
    }
    await cached.close()
  })

  it('takes no option that selects or configures the core', async () => {
    const cached = fallbackCache({ clock: new ManualClock(0) })
    const values = { cache: cached.cache, redis: 'redis://127.0.0.1', maxBytes: 1, clock: new ManualClock(0) }
    for (const [option, value] of Object.entries(values)) {
      const error = await thrownBy(() => cached.with({ [option]: value }) && {})
      expect(error?.message).toMatch(
        new RegExp(`^${option} must not be passed to with\\(\\): .* fallbackCache\\({ ${option} }\\)$`),
      )
    }
    expect(await thrownBy(() => cached.with({ cache: undefined, redis: undefined } as object) && {})).toBeUndefined()
    for (const value of [undefined, null, 7, 'x', [], ODD.symbol, ODD['a boxed text']]) {
      const error = await thrownBy(() => cached.with(value as never) && {})
      expect(error?.message).toMatch(/^options of with\(\) must be an object, got /)
    }
    await cached.close()
  })
})

/** The front doors, and what they take for an application. */
const doors: [string, { serve: (...args: never[]) => unknown; listener: (...args: never[]) => unknown }, unknown][] = [
  ['Express', forExpress(), express()],
  ['Koa', forKoa(), new Koa()],
]

describe.each(doors)('the front door of %s', (name, cached, app) => {
  for (const of of ['serve', 'listener'] as const) {
    const open = (...args: unknown[]) => (cached[of] as (...args: unknown[]) => unknown)(...args)
    it(`${of}() says what it takes`, async () => {
      for (const [title, value] of Object.entries({ ...ODD, undefined: undefined })) {
        const message = `${of}() takes a${name === 'Koa' ? '' : 'n'} ${name} application, got `
        expect((await thrownBy(() => open(value)))?.message, title).toContain(message)
      }
      for (const value of [null, 7, 'x', [], ODD.symbol, ODD['a boxed text']]) {
        const error = await thrownBy(() => open(app, value) && {})
        expect(error?.message).toMatch(new RegExp(`^options of ${of}\\(\\) must be an object, got `))
      }
      expect((await thrownBy(() => open(app, { skipOnHits: [] })))?.message).toMatch(/did you mean "skipOnHit"\?$/)
      const list = ['an empty list', 'a list of an empty text', 'a list of a long text', 'a long list']
      for (const [title, value] of Object.entries(ODD).filter(([title]) => !list.includes(title))) {
        const error = await thrownBy(() => open(app, { skipOnHit: value }) && {})
        expect(error?.message, title).toMatch(/^skipOnHit must be "all" or a list of functions and names/)
      }
    })
  }

  it('serve() takes a function that makes a server', async () => {
    const open = (options: object) => (cached.serve as (...args: unknown[]) => unknown)(app, options)
    for (const [title, createServer] of Object.entries(ODD)) {
      const error = await thrownBy(() => open({ createServer }) && {})
      if (title === 'function') expect(error?.message).toContain('createServer must return a server, got "x"')
      else expect(error?.message, title).toMatch(/^createServer must be a function, got /)
    }
    expect(await thrownBy(() => open({ createServer }))).toBeUndefined()
  })
})
