import fc from 'fast-check'
import type { StoredHead } from '../../src/http/store/stored-head.js'
import { NO_DIRECTIVES } from '../../src/http/syntax/cache-control.js'
import { storedHead } from './stored-head.js'

const NAMES = ['Content-Type', 'ETag', 'Date', 'Last-Modified', 'Vary', 'Cache-Status', 'X-One', 'Link']

const value = fc.stringMatching(/^[\t\x20-\x7e\x80-\xff]{0,20}$/)

const field = fc.record({
  name: fc.constantFrom(...NAMES, 'Content-Disposition', 'Expect', 'X-Powered-By', 'x-one'),
  value: fc.oneof({ weight: 12, arbitrary: value }, fc.array(value, { maxLength: 2 })),
})

const text = fc.string({ unit: 'binary', maxLength: 12 })

/** Stored heads as handlers make them, and stranger ones. */
export const heads: fc.Arbitrary<StoredHead> = fc
  .record({
    status: fc.constantFrom(200, 200, 200, 204, 301, 404),
    reason: fc.option(fc.constantFrom('', 'Fine'), { nil: undefined }),
    fields: fc.uniqueArray(field, { maxLength: 8, selector: ({ name }) => name.toLowerCase() }),
    initialAge: fc.oneof(fc.nat(100_000), fc.double({ min: 0, max: 1e6, noNaN: true })),
    cost: fc.oneof(fc.nat(1000), fc.double({ min: 0, max: 1e6, noNaN: true })),
    selecting: fc.array(fc.tuple(fc.constantFrom('accept', 'cookie:theme'), fc.option(text)), { maxLength: 2 }),
    isPublic: fc.boolean(),
    ownEntityTag: fc.boolean(),
    nested: fc.boolean(),
    more: fc.array(text, { maxLength: 2 }),
    routePattern: fc.option(fc.constant('/page/:id'), { nil: undefined }),
    staleIfError: fc.nat(60),
  })
  .map(({ fields, selecting, isPublic, more, ...same }) =>
    storedHead({
      ...same,
      identity: ['GET http://a.example/', ...more].join('\n'),
      fields: fields.flatMap((one) => [one.name, one.value]),
      selecting: selecting.map(([name]) => name),
      values: selecting.map(([, chosen]) => chosen),
      control: isPublic ? { ...NO_DIRECTIVES, public: true } : NO_DIRECTIVES,
    }),
  )
