import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { answer, type DashboardAnswer, type DashboardRequest } from './answer.js'

/** The files of the page, by their name in its address. */
const FILES: Readonly<Record<string, { readonly type: string; readonly name: string }>> = {
  '/': { type: 'text/html; charset=utf-8', name: 'index.html' },
  '/page.js': { type: 'text/javascript; charset=utf-8', name: 'page.js' },
  '/format.js': { type: 'text/javascript; charset=utf-8', name: 'format.js' },
  '/entries.js': { type: 'text/javascript; charset=utf-8', name: 'entries.js' },
  '/shadow.js': { type: 'text/javascript; charset=utf-8', name: 'shadow.js' },
  '/page.css': { type: 'text/css; charset=utf-8', name: 'page.css' },
  '/icon.svg': { type: 'image/svg+xml', name: 'icon.svg' },
}

/** Where the built page is: below the chunks of the package, or in `dist` if the sources run. */
const FOLDERS = ['dashboard/page/', '../../dist/dashboard/page/']

interface PageFile {
  readonly type: string
  readonly body: Buffer
  readonly zipped: Buffer
  readonly etag: string
}

/** The page, read once, when the dashboard is made: a missing file is an error there. */
export class PageFiles {
  readonly #files: ReadonlyMap<string, PageFile>

  /** @throws Error if the files are not where the package has them, as in a bundle */
  constructor() {
    this.#files = new Map(Object.entries(FILES).map(([path, { type, name }]) => [path, read(type, name)]))
  }

  /** The answer to a request for a file of the page; `undefined` if there is none of that name. */
  answer({ path, headers }: Pick<DashboardRequest, 'path' | 'headers'>): DashboardAnswer | undefined {
    const file = this.#files.get(path)
    if (file === undefined) return undefined
    const { type, body, zipped, etag } = file
    const kept = { 'cache-control': 'private, no-cache', etag, vary: 'Accept-Encoding' }
    if (headers['if-none-match'] === etag) return answer(304, type, '', kept)
    if (!/\bgzip\b/.test(String(headers['accept-encoding'] ?? ''))) return answer(200, type, body, kept)
    return answer(200, type, zipped, { ...kept, 'content-encoding': 'gzip' })
  }
}

function read(type: string, name: string): PageFile {
  const body = readFirst(name)
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 16)}"`
  return { type, body, zipped: gzipSync(body, { level: 9 }), etag }
}

function readFirst(name: string): Buffer {
  let cause: unknown
  for (const folder of FOLDERS) {
    try {
      return readFileSync(new URL(folder + name, import.meta.url))
    } catch (thrown) {
      cause ??= thrown
    }
  }
  throw new Error(
    `the dashboard did not find its page (${name}): if the application is bundled, leave fallback-cache out of the bundle`,
    { cause },
  )
}
