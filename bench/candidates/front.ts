import type { ServerResponse } from 'node:http'
import { application } from './express.js'
import type { Open } from './setup.js'

/** A hit before Express sees the request: a Map, a head and a Buffer. Knows no HTTP. */
export const handWritten: Open = (_setup, handler) => {
  const kept = new Map<string, { readonly fields: Record<string, string>; readonly body: Buffer }>()
  const app = application(handler)
  return {
    listener: (req, res) => {
      const url = req.url ?? '/'
      const hit = kept.get(url)
      if (hit !== undefined) {
        res.writeHead(200, hit.fields)
        res.end(hit.body)
        return
      }
      keep(res, (body) => kept.set(url, { fields: textsOf(res), body }))
      app(req, res)
    },
  }
}

/** The private parts of a response that one write of head and body leans on. */
interface Inner {
  _header: string
  _headerSent: boolean
}

const dateLength = 'Thu, 01 Jan 1970 00:00:00 GMT'.length

/** The same with head and body in one Buffer, in which only the date is written again, once a second. */
export const handWrittenAtOnce: Open = (_setup, handler) => {
  const kept = new Map<string, { readonly bytes: Buffer; readonly dateAt: number; second: number }>()
  const app = application(handler)
  return {
    listener: (req, res) => {
      const url = req.url ?? '/'
      const hit = kept.get(url)
      if (hit !== undefined) {
        const second = Math.floor(Date.now() / 1000)
        if (hit.second !== second) {
          hit.bytes.write(new Date(second * 1000).toUTCString(), hit.dateAt, dateLength, 'latin1')
          hit.second = second
        }
        // Node then takes the head to be written; the types do not know how.
        const inner = res as unknown as Inner
        inner._header = '-'
        inner._headerSent = true
        res.end(hit.bytes)
        return
      }
      keep(res, (body) => {
        const fields = Object.entries(textsOf(res)).map(([name, value]) => `${name}: ${value}\r\n`)
        const start = `HTTP/1.1 200 OK\r\n${fields.join('')}Connection: keep-alive\r\nDate: `
        const bytes = Buffer.concat([Buffer.from(`${start}${'-'.repeat(dateLength)}\r\n\r\n`, 'latin1'), body])
        kept.set(url, { bytes, dateAt: start.length, second: 0 })
      })
      app(req, res)
    },
  }
}

function keep(res: ServerResponse, store: (body: Buffer) => void): void {
  const end = res.end as (...args: readonly unknown[]) => ServerResponse
  res.end = ((...args: readonly unknown[]) => {
    const [chunk] = args
    store(typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk as Buffer))
    return end.apply(res, [...args])
  }) as typeof res.end
}

function textsOf(res: ServerResponse): Record<string, string> {
  return Object.fromEntries(Object.entries(res.getHeaders()).map(([name, value]) => [name, String(value)]))
}
