import type { RequestListener } from 'node:http'
import { describe, expect, it } from 'vitest'
import { fetchWithNode } from '../../src/adapters/fetch-with-node.js'
import { frameworkContract } from './contract.js'
import { completenessContract } from './contract-completeness.js'
import { queryContract } from './contract-query.js'
import { streamsContract } from './contract-streams.js'
import { honoFetch } from './hosts/hono.js'

// What passes between the Fetch API and Node.js: bodies in both directions. `npm run compat` runs the whole contract.
if (process.env.WHOLE_CONTRACT === '1') {
  frameworkContract('Hono over the Fetch API', honoFetch)
} else {
  describe('fallbackCache in Hono over the Fetch API', () => {
    queryContract(honoFetch)
    streamsContract(honoFetch)
    completenessContract(honoFetch)
  })
}

describe('a listener of Node.js that answers a request of the Fetch API', () => {
  const answer = (listener: RequestListener) => fetchWithNode(listener)(new Request('http://shop.example/page'))

  it.each([
    [700, /status/],
    [101, 'the response has ended without a final status'],
  ])('fails with status %i, which a Response cannot have', async (status, message) => {
    const ended: RequestListener = (_request, response) => void response.writeHead(status).end()
    await expect(answer(ended)).rejects.toThrow(message)
  })

  it('may set Transfer-Encoding, which frames no bytes of the Response', async () => {
    const streamed = await answer((_request, response) => {
      response.setHeader('Transfer-Encoding', 'chunked')
      response.write('one ')
      setImmediate(() => response.end('two'))
    })
    expect([await streamed.text(), streamed.headers.get('transfer-encoding')]).toEqual(['one two', null])
  })

  it('may fail before its head and behind it', async () => {
    await expect(answer((_request, response) => void response.destroy(new Error('no head')))).rejects.toThrow('no head')
    const begun = await answer((_request, response) => {
      response.write('begun')
      setTimeout(() => response.destroy(new Error('no end')), 10)
    })
    await expect(begun.text()).rejects.toThrow('no end')
  })

  it('may write byte by byte: time grows with the length', async () => {
    const count = 60_000
    const begun = process.cpuUsage()
    const written = await answer((_request, response) => {
      for (let at = 0; at < count; at++) response.write('a')
      response.end()
    })
    expect(await written.text()).toBe('a'.repeat(count))
    const { user, system } = process.cpuUsage(begun)
    // Sums over all pieces for each piece take seconds, this a tenth of one.
    expect((user + system) / 1000).toBeLessThan(1_500)
  })
})
