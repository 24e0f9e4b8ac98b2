import type { ServerResponse } from 'node:http'
import { ANSWERED, filledText } from '../../http/port/index.js'
import { setField } from '../node-internals/index.js'

/**
 * The status, the reason phrase and the Content-Type that middleware in front of the cache has set on a response, as
 * text; `undefined` if it has set none. See `RequestHead.begun`.
 */
export function begunAnswer(response: ServerResponse): string | undefined {
  const { statusCode } = response
  // http2 has no reason phrases, and warns when one is read.
  const reason = 'stream' in response ? '' : response.statusMessage || ''
  const type = setField(response, 'content-type')
  if (statusCode === 200 && reason === '' && type === undefined) return undefined
  return JSON.stringify([statusCode, reason, type])
}

/** The properties of a Koa context by which it tells what middleware has answered so far. */
interface BegunContext {
  readonly body: unknown
  readonly res: ServerResponse
  readonly response: object
}

/** Private flags of a response of Koa, the same in 2 and 3. */
interface Explicit {
  readonly _explicitStatus?: boolean
  readonly _explicitNullBody?: boolean
}

/** Like {@link begunAnswer}, for a Koa context; `ANSWERED` if there is a body that cannot be compared. */
export function begunKoaAnswer(ctx: BegunContext): string | undefined {
  const { res, response } = ctx
  const { _explicitStatus: isSet = false, _explicitNullBody: isEmpty = false } = response as Explicit
  const type = setField(res, 'content-type')
  const reason = 'stream' in res ? '' : res.statusMessage || ''
  // Koa begins with 404.
  if (!isSet && res.statusCode === 404 && reason === '' && type === undefined) return undefined
  const { body } = ctx
  const text = filledText(body)
  if (text === undefined || Buffer.isBuffer(body)) return ANSWERED
  return JSON.stringify([isSet, res.statusCode, reason, type, text, isEmpty])
}
