import { describe, expect, it } from 'vitest'
import { engineOf, FallbackCache } from '../../../src/core/fallback-cache.js'
import type { RequestHead } from '../../../src/http/port/index.js'
import { headText } from '../../../src/http/store/stored-text.js'
import { Variants } from '../../../src/http/store/variants.js'
import { storedHead } from '../../support/stored-head.js'

describe('Variants', () => {
  it('finds a response that is for all requests without the fields of the request, which Node.js makes when asked', () => {
    const engine = engineOf(new FallbackCache())
    const key = { text: '/page', identity: 'GET https://shop.example/page' }
    const at = engine.clock.now()
    const meta = headText(storedHead({ identity: key.identity }))
    const times = { storedAt: at, staleAt: at + 60_000, deleteAt: at + 60_000 }
    engine.store(key.text, { ...times, tags: [], meta, body: Buffer.from('page') }, engine.mark())
    const request = {
      get headers(): never {
        throw new Error('the fields were asked for')
      },
    } as unknown as RequestHead
    expect(new Variants(engine).find(key, request)).toMatchObject({ stored: { status: 200 }, varies: false })
  })
})
