import type { FastifyReply } from 'fastify'
import { fieldValueOf } from './late-head.js'

/**
 * Lets the cache see what a route does to the fields of a reply, which Fastify keeps to itself until the end: the cache
 * observes the response of Node.js, where the fields of hooks in front of it are.
 */
export function tellActs(reply: FastifyReply): void {
  const { raw } = reply
  const { header, removeHeader, getHeader, hasHeader } = reply
  const own = new Set<string>()
  /** Fields that were read since they were set: the next value may contain what was read. */
  const seen = new Set<string>()
  const changed = (name: string): string => {
    const lower = String(name).toLowerCase()
    own.add(lower)
    return lower
  }
  const read = (name: string): void => {
    const lower = String(name).toLowerCase()
    seen.add(lower)
    if (!own.has(lower)) raw.getHeader(name)
  }
  reply.header = (name: string, value?: unknown) => {
    const isSetAgain = own.has(String(name).toLowerCase())
    const lower = changed(name)
    const isRead = seen.delete(lower)
    const known = fieldValueOf(raw, lower)
    if (!raw.headersSent) {
      // Its value once more: it is the call that tells that the route has set the field, even to the same value.
      if (known !== undefined) raw.setHeader(lower, known)
      // Fastify adds each cookie to those before.
      else if (isSetAgain && !isRead && lower !== 'set-cookie') raw.removeHeader(lower)
    }
    return header.call(reply, name as never, value)
  }
  reply.removeHeader = (name: string) => {
    const lower = changed(name)
    if (!raw.headersSent) raw.removeHeader(lower)
    return removeHeader.call(reply, name)
  }
  reply.getHeader = (name: string) => {
    read(name)
    return getHeader.call(reply, name)
  }
  reply.hasHeader = (name: string) => {
    read(name)
    return hasHeader.call(reply, name)
  }
}
