import { idOf, pageOf } from '../page.js'
import { fieldsOf, type Open } from './setup.js'

const type = 'application/json; charset=utf-8'

/** The floor: node:http writing a Buffer that is there already. */
export const raw: Open = ({ size, fields }) => {
  const bodies = new Map<string, Buffer>()
  const others = Object.fromEntries(fieldsOf(fields))
  return {
    listener: (req, res) => {
      const url = req.url ?? '/'
      let body = bodies.get(url)
      if (body === undefined) {
        body = Buffer.from(JSON.stringify(pageOf(idOf(url), size)))
        bodies.set(url, body)
      }
      res.writeHead(200, { 'Content-Type': type, 'Content-Length': body.length, ...others })
      res.end(body)
    },
  }
}

/** What proxies stand in front of: the handler, and an hour of freshness for what it makes. */
export const origin: Open = (_setup, handler) => ({
  listener: async (req, res) => {
    const body = Buffer.from(JSON.stringify(await handler.page(idOf(req.url ?? '/'))))
    const validator = { ETag: '"origin"', 'Cache-Control': 'max-age=3600' }
    const fields = { 'Content-Type': type, 'Content-Length': body.length, ...validator }
    res.writeHead(200, { ...fields, ...Object.fromEntries(handler.fields) })
    res.end(body)
  },
})
