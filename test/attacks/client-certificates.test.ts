import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fallbackCache } from '../../src/middleware/express.js'

const WAYS: Readonly<Record<string, (socket: TLSSocket) => unknown>> = {
  authorized: (socket) => socket.authorized,
  authorizationError: (socket) => socket.authorizationError === null,
  'getPeerCertificate()': (socket) => Object.keys(socket.getPeerCertificate()).length > 0,
}

let folder = ''
let ca: Buffer
const pair = (name: string) => ({
  key: readFileSync(join(folder, `${name}.key`)),
  cert: readFileSync(join(folder, `${name}.pem`)),
})

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fallback-cache-mtls-'))
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=ca')
  for (const name of ['localhost', 'client']) {
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
    )
    const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', `${name}.pem`]
    openssl('x509', '-req', '-in', `${name}.csr`, ...signing)
  }
  ca = readFileSync(join(folder, 'ca.pem'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function get(port: number, options: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { port, host: '127.0.0.1', path: '/', agent: false, rejectUnauthorized: false, ...options },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () => resolve(text))
      },
    )
    asked.on('error', reject).end()
  })
}

describe.each([
  ['https', createServer],
  [
    'http2, asked by HTTP/1.1',
    (options: object, listener: never) => createSecureServer({ allowHTTP1: true, ...options }, listener),
  ],
] as const)('%s', (_, create) => {
  it.each(Object.entries(WAYS))(
    'hands no page of a client with a certificate to one without, decided by %s',
    async (_way, read) => {
      const cached = fallbackCache({ ttl: 60 })
      const listener = (req: IncomingMessage, res: ServerResponse) =>
        cached(req, res, () => res.end(read(req.socket as TLSSocket) ? 'for members' : 'for guests'))
      const options = { ...pair('localhost'), ca, requestCert: true, rejectUnauthorized: false }
      const server = create(options, listener as never)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      try {
        expect(await get(port, pair('client'))).toBe('for members')
        expect(await get(port, {})).toBe('for guests')
        expect(await get(port, pair('client'))).toBe('for members')
      } finally {
        await new Promise((resolve) => server.close(resolve))
        await cached.close()
      }
    },
  )

  it.each([
    ['getProtocol()', (socket: TLSSocket) => socket.getProtocol()],
    ['getCipher()', (socket: TLSSocket) => socket.getCipher().version],
  ])('hands no page for one version of TLS to a client that uses another, told by %s', async (_way, read) => {
    const cached = fallbackCache({ ttl: 60 })
    const listener = (req: IncomingMessage, res: ServerResponse) =>
      cached(req, res, () => res.end(read(req.socket as TLSSocket)))
    const server = create(pair('localhost'), listener as never)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    try {
      expect(await get(port, { maxVersion: 'TLSv1.2' })).not.toContain('1.3')
      expect(await get(port, {})).toContain('1.3')
    } finally {
      await new Promise((resolve) => server.close(resolve))
      await cached.close()
    }
  })

  it.each([
    ['servername', (socket: TLSSocket) => Reflect.get(socket, 'servername')],
    ['getCertificate()', (socket: TLSSocket) => Reflect.get(socket.getCertificate() ?? {}, 'fingerprint')],
    ['getX509Certificate()', (socket: TLSSocket) => socket.getX509Certificate()?.fingerprint],
  ])('hands no page for one name of TLS to a client that asked for another, told by %s', async (_way, read) => {
    const cached = fallbackCache({ ttl: 60 })
    const listener = (req: IncomingMessage, res: ServerResponse) =>
      cached(req, res, () => res.end(`for ${read(req.socket as TLSSocket)}`))
    const SNICallback = (name: string, done: (error: null, context: SecureContext) => void) =>
      done(null, createSecureContext(pair(name === 'evil.example' ? 'client' : 'localhost')))
    const server = create({ ...pair('localhost'), SNICallback }, listener as never)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    try {
      const headers = { host: 'shop.example' }
      const other = await get(port, { servername: 'evil.example', headers })
      expect(await get(port, { servername: 'shop.example', headers })).not.toBe(other)
    } finally {
      await new Promise((resolve) => server.close(resolve))
      await cached.close()
    }
  })
})
