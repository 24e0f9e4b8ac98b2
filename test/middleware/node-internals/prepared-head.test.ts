import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import type { Reply } from '../../../src/http/port/reply.js'
import { StoredResponse } from '../../../src/http/store/stored-response.js'
import { headObject, headText, parseStored } from '../../../src/http/store/stored-text.js'
import { sendReply } from '../../../src/middleware/node/node-response.js'
import { preparedAnswer, sendPrepared, sendPreparedOver } from '../../../src/middleware/node-internals/prepared-head.js'
import { ordinaryTrial } from '../../../src/middleware/node-internals/response-trial.js'
import { heads } from '../../support/any-stored-head.js'

const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

describe.each([
  ['a small body', 'GET', replyOf(200, Buffer.from('{"a":1}'))],
  ['bytes beyond ASCII', 'GET', replyOf(200, Buffer.from([0, 0x7f, 0x80, 0xff, 0xc3, 0xa9]))],
  ['no bytes', 'GET', replyOf(200, Buffer.alloc(0))],
  ['a body of several packets', 'GET', replyOf(404, Buffer.alloc(100_000, 'x'))],
  ['a body that is not copied', 'GET', replyOf(200, Buffer.alloc(300_000, 'y'))],
  ['no Cache-Status', 'GET', withoutTheLast(replyOf(200, Buffer.from('{"a":1}')))],
  ['a 304', 'GET', replyOf(304, undefined)],
  ['a HEAD', 'HEAD', { ...replyOf(200, Buffer.from('12345')), body: undefined }],
  ['a HEAD answered by 304', 'HEAD', replyOf(304, undefined)],
])('%s', (_name, method, reply) => {
  it('is sent as node would have sent it, each time', async () => {
    const ordinary = await bytesOf((response) => sendReply(response, reply), method, 20)
    const sent: boolean[] = []
    const prepared = await bytesOf(
      (response) => {
        sent.push(sendPrepared(response, reply, undefined))
      },
      method,
      20,
    )
    expect(sent).toEqual(Array.from({ length: 20 }, () => true))
    expect(prepared).toBe(ordinary)
  })
})

it('does not take what was prepared for another reply', async () => {
  const reply = replyOf(200, Buffer.from('mine'))
  const answers = [reply, reply, { ...reply, fields: [...reply.fields, 'X-More', '1'], checkedNames: undefined }]
  const sent: boolean[] = []
  const bytes = await bytesOf(
    (response) => {
      const answer = answers[sent.length]
      if (answer === undefined) return
      sent.push(sendPrepared(response, answer, undefined))
      if (!sent.at(-1)) sendReply(response, answer)
    },
    'GET',
    3,
  )
  expect(sent).toEqual([true, true, false])
  expect(bytes.match(/X-More: 1/g)).toHaveLength(1)
})

it.each<[string, Record<string, string | number>, boolean]>([
  ['no field', {}, true],
  ['X-Powered-By', { 'X-Powered-By': 'Express' }, true],
  ['another X-Powered-By each time', { 'X-Powered-By': 'PHP' }, true],
  ['a field beside it', { 'X-Powered-By': 'Express', 'X-Frame-Options': 'DENY' }, false],
  ['another field', { Vary: 'Origin' }, false],
  ['a number', { 'X-Powered-By': 7 }, false],
])('is laid over what the framework has set: %s', async (_name, outer, isPrepared) => {
  const reply = replyOf(200, Buffer.from('text'))
  const lay = (response: ServerResponse, at: number) => {
    for (const [name, value] of Object.entries(outer)) {
      response.setHeader(name, value === 'PHP' ? `PHP/${at % 3}` : value)
    }
  }
  let at = 0
  const ordinary = await bytesOf(
    (response) => {
      lay(response, at++)
      sendReply(response, reply)
    },
    'GET',
    20,
  )
  const sent = new Set<boolean>()
  const prepared = await bytesOf(
    (response) => {
      lay(response, at++)
      const isSent = sendPreparedOver(response, reply)
      sent.add(isSent)
      if (!isSent) sendReply(response, reply)
    },
    'GET',
    20,
  )
  expect([...sent]).toEqual([isPrepared])
  expect(prepared.replaceAll(/PHP.\d/g, 'PHP')).toBe(ordinary.replaceAll(/PHP.\d/g, 'PHP'))
  if ('X-Powered-By' in outer && outer['X-Powered-By'] === 'PHP') {
    expect(prepared.match(/PHP.\d/g)?.slice(0, 4)).toEqual(['PHP/2', 'PHP/0', 'PHP/1', 'PHP/2'])
  }
})

it.each([
  [
    'a listener watches the end',
    (response: ServerResponse) => Object.assign(response, { end: response.end.bind(response) }),
  ],
  ['a field is set', (response: ServerResponse) => response.setHeader('X-Outer', '1')],
  ['the connection is to be closed', (response: ServerResponse) => Object.assign(response, { shouldKeepAlive: false })],
  ['a reply without a body would end a request that has one', () => {}],
])('leaves to node what is no ordinary answer: %s', async (name, change) => {
  const body = name.startsWith('a reply without') ? undefined : Buffer.from('text')
  const reply = { ...replyOf(200, Buffer.from('text')), body }
  const sent: boolean[] = []
  await bytesOf(
    (response) => {
      change(response)
      sent.push(sendPrepared(response, reply, undefined))
      response.end()
    },
    'GET',
    1,
  )
  expect(sent).toEqual([false])
})

it('sends what was read from lines as node sends what was read from JSON', () => {
  const limits = { keepAliveTimeout: 5000, maxRequestsPerSocket: 9 }
  const moments = { storedAt: 1000, staleAt: 61_000, deleteAt: 99_000, tags: [] }
  const replyTo = (meta: string): Reply => {
    const stored = parseStored({ ...moments, body: Buffer.from('{"a":1}'), meta, memo: undefined })
    if (!(stored instanceof StoredResponse)) throw new Error(`not read: ${meta}`)
    return stored.asHit(5000, 'memory', undefined)
  }
  let sent = 0
  fc.assert(
    fc.property(heads, (made) => {
      const date = made.fields.includes('Date') ? [] : ['Date', 'today']
      // The trial sends the standard phrase.
      const head = { ...made, reason: undefined, fields: [...made.fields, ...date] }
      const prepared = preparedAnswer(replyTo(headText(head)), 'GET', limits, 'trial')
      if (prepared === undefined) return
      sent += 1
      const ordinary = ordinaryTrial('GET', replyTo(headObject(head))).written.toString('latin1')
      expect(typeof prepared === 'string' ? prepared : prepared.toString('latin1')).toBe(ordinary)
    }),
    { numRuns: 200 },
  )
  expect(sent).toBeGreaterThan(20)
})

function replyOf(status: number, body: Buffer | undefined): Reply {
  const fields = ['Content-Type', 'text/plain', 'Date', 'Thu, 01 Jan 1970 00:00:00 GMT', 'ETag', '"caf\u00e9"']
  const checkedNames = ['content-type', 'date', 'etag']
  if (body !== undefined) {
    fields.push('Content-Length', String(body.length))
    checkedNames.push('content-length')
  }
  return { status, reason: undefined, fields, checkedNames, removed: [], body }
}

/** As a hit is without Cache-Status: the names that were checked are those of all hits. */
function withoutTheLast(reply: Reply): Reply {
  return { ...reply, checkedNames: [...(reply.checkedNames ?? []), 'cache-status'] }
}

/** All that a connection brings for so many requests, sent at once. */
async function bytesOf(send: (response: ServerResponse) => void, method: string, requests: number): Promise<string> {
  const server = createServer((_request, response) => send(response)).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const request = (connection: string) => `${method} / HTTP/1.1\r\nHost: here\r\nConnection: ${connection}\r\n\r\n`
  socket.end(request('keep-alive').repeat(requests))
  let bytes = ''
  for await (const chunk of socket) bytes += (chunk as Buffer).toString('latin1')
  return bytes
}
