import type { FastifyReply } from 'fastify'

/**
 * The function that a hook in front of the cache has set with `reply.serializer`, as a part of the key: a text for one
 * that an earlier request had too. A new one may hold data of the visitor, and is returned itself, which cannot be
 * compared. `undefined` if there is none.
 */
export function serializerInFront(reply: FastifyReply): unknown {
  place ??= Object.getOwnPropertySymbols(reply).find(({ description }) => description === 'fastify.reply.serializer')
  const serializer: unknown = place === undefined ? undefined : Reflect.get(reply, place)
  if (typeof serializer !== 'function') return undefined
  const known = MET.get(serializer)
  if (known !== undefined) return known
  made += 1
  MET.set(serializer, `serializer ${STARTED} ${made}`)
  return serializer
}

/** Where Fastify keeps the function. */
let place: symbol | undefined

const MET = new WeakMap<object, string>()

/** Other processes have other functions. */
const STARTED = crypto.randomUUID()
let made = 0
