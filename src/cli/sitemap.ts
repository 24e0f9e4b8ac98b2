import { gunzipSync } from 'node:zlib'
import { CommandFailure } from './errors.js'
import { isHttpUrl } from './http-options.js'

/** Maximum bytes of a sitemap, as at sitemaps.org; maximum number of sitemaps in an index; maximum number of URLs. */
const LARGEST = 50 * 1024 * 1024
const MOST_SITEMAPS = 500
const MOST_URLS = 1_000_000
/** Maximum time for a sitemap, in ms. */
const TIMEOUT = 30_000

/** The URLs of a sitemap, and of the sitemaps that it names. @throws CommandFailure */
export async function sitemapUrls(
  address: string,
  headers: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const urls = new Set<string>()
  const waiting = [address]
  const read = new Set<string>()
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (read.has(next)) continue
    read.add(next)
    if (read.size > MOST_SITEMAPS) throw new CommandFailure(`${address} names more than ${MOST_SITEMAPS} sitemaps`)
    const text = await sitemapText(next, headers)
    const isIndex = /<sitemapindex[\s>]/.test(text)
    if (!isIndex && !/<urlset[\s>]/.test(text)) throw new CommandFailure(`${next} is not a sitemap`)
    for (const url of locations(text)) {
      if (isIndex) waiting.push(url)
      else urls.add(url)
    }
    if (urls.size > MOST_URLS) throw new CommandFailure(`${address} has more than ${MOST_URLS} URLs`)
  }
  return [...urls]
}

async function sitemapText(url: string, headers: Readonly<Record<string, string>>): Promise<string> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT) })
    if (!response.ok || response.body === null) throw new Error(`answered with ${response.status}`)
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of response.body) {
      bytes += chunk.length
      if (bytes > LARGEST) throw new Error('is larger than 50 MiB')
      chunks.push(chunk)
    }
    const whole = Buffer.concat(chunks)
    const isPacked = whole[0] === 0x1f && whole[1] === 0x8b
    return (isPacked ? gunzipSync(whole, { maxOutputLength: LARGEST }) : whole).toString()
  } catch (thrown) {
    throw new CommandFailure(`${url}: ${thrown instanceof Error ? thrown.message : thrown}`)
  }
}

/** Maximum length of a URL with what may surround it, in characters: a sitemap without `</loc>` is read once, not for each `<loc>`. */
const LONGEST = 8192

/** The contents of `<loc>`, which are URLs with the five entities of XML, or characters by their number. */
function locations(text: string): readonly string[] {
  const found: string[] = []
  for (const [, content = ''] of text.matchAll(LOCATION)) {
    const url = content
      .trim()
      .replace(/^<!\[CDATA\[/, '')
      .replace(/\]\]>$/, '')
      .replace(/&(?:(lt|gt|quot|apos|amp)|#(\d{1,7})|#x([\da-f]{1,6}));/gi, characterOf)
    if (isHttpUrl(url)) found.push(url)
  }
  return found
}

const LOCATION = new RegExp(`<loc>([^<]{0,${LONGEST}}|\\s*<!\\[CDATA\\[[^<]{0,${LONGEST}})</loc>`, 'g')

function characterOf(entity: string, name?: string, decimal?: string, hexadecimal?: string): string {
  if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? ''
  const code = decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number(decimal)
  return code <= 0x10ffff ? String.fromCodePoint(code) : entity
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
