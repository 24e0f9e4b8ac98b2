import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sitemapUrls } from '../../src/cli/sitemap.js'
import { requestAll } from '../../src/cli/warmer.js'

const SITEMAPS: Readonly<Record<string, (origin: string) => string | Buffer>> = {
  '/index.xml': (origin) =>
    `<?xml version="1.0"?><sitemapindex xmlns="x"><sitemap><loc>${origin}/a.xml.gz</loc></sitemap>
     <sitemap><loc>\n  ${origin}/index.xml </loc></sitemap></sitemapindex>`,
  '/a.xml.gz': () =>
    gzipSync(`<urlset><url><loc>http://shop.example/?a=1&amp;b=2</loc></url>
      <url><loc><![CDATA[http://shop.example/cdata]]></loc></url>
      <url><loc>http://shop.example/&#x26;&#38;amp;</loc></url>
      <url><loc>/relative</loc></url><url><loc>file:///etc/passwd</loc></url></urlset>`),
  '/unclosed.xml': () =>
    `<urlset>${'<loc>http://a/ &amp;'.repeat(400_000)}<loc>http://shop.example/last</loc></urlset>`,
  '/bomb.xml': () => gzipSync(Buffer.alloc(60 * 1024 * 1024, '<urlset>')),
  '/entities.xml': () =>
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><urlset><loc>http://a/&a;</loc></urlset>',
}

let server: Server
let origin = ''

beforeAll(async () => {
  server = createServer((request, response) => {
    const { url = '' } = request
    if (url.startsWith('/reason/')) {
      response.setHeader('Cache-Status', `fallback-cache; fwd=bypass; detail="${url.slice('/reason/'.length)}"`)
      response.end()
    } else response.end(SITEMAPS[url]?.(origin) ?? '')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => void server.close())

describe('sitemapUrls', () => {
  it('reads packed sitemaps of an index, once each', async () => {
    expect(await sitemapUrls(`${origin}/index.xml`, {})).toEqual([
      'http://shop.example/?a=1&b=2',
      'http://shop.example/cdata',
      'http://shop.example/&&amp;',
    ])
  })

  it('reads a sitemap whose elements have no end in one go', async () => {
    expect(await sitemapUrls(`${origin}/unclosed.xml`, {})).toEqual(['http://shop.example/last'])
  })

  it('does not unpack without a bound, and knows no entities of a document', async () => {
    await expect(sitemapUrls(`${origin}/bomb.xml`, {})).rejects.toThrow('bomb.xml')
    expect(await sitemapUrls(`${origin}/entities.xml`, {})).toEqual(['http://a/&a;'])
  })
})

describe('requestAll', () => {
  it('counts reasons by any name', async () => {
    const names = ['constructor', '__proto__', 'toString', 'private']
    const targets = names.map((name) => ({ url: `${origin}/reason/${name}`, host: undefined }))
    const pace = { concurrency: 1, rate: 1000, headers: {}, timeout: 5000 }
    const { notStored } = await requestAll(targets, pace, new AbortController().signal, () => {})
    expect(Object.entries(notStored)).toEqual(names.map((name) => [name, 1]))
  })
})
