import { idOf, pageOf } from '../page.js'
import type { Open } from './setup.js'

/** The floor: node:http writing a Buffer that is there already. */
export const raw: Open = ({ size }) => {
  const bodies = new Map<string, Buffer>()
  return {
    listener: (req, res) => {
      const url = req.url ?? '/'
      let body = bodies.get(url)
      if (body === undefined) {
        body = Buffer.from(JSON.stringify(pageOf(idOf(url), size)))
        bodies.set(url, body)
      }
      res.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length })
      res.end(body)
    },
  }
}
