import type { Exchange } from '../port/exchange.js'
import type { Reply } from '../port/reply.js'
import { type FieldList, type FieldValue, fieldValue } from '../syntax/fields.js'

/** What a developer sees of the cache in the timings of the browser: only sent with `cacheStatus: 'debug'`. */
export interface ServerTiming {
  readonly result: string
  /** Where the answer came from, or why no stored response was used. */
  readonly detail: string
  /** The handler's time, in ms: now, or when it made the stored response. */
  readonly handler: number
}

/** The Server-Timing field, after the metrics that others have set (W3C Server Timing, section 3). */
export function serverTimingField(others: FieldValue | undefined, timing: ServerTiming): FieldList {
  const { result, detail, handler } = timing
  const own = `cache;desc="${result} ${detail}", handler;dur=${Number(handler.toFixed(1))}`
  return ['Server-Timing', others === undefined ? own : `${fieldValue({ others }, 'others')}, ${own}`]
}

/** A reply with Server-Timing. */
export function withServerTiming(exchange: Pick<Exchange, 'field'>, reply: Reply, timing: ServerTiming): Reply {
  const fields = [...reply.fields, ...serverTimingField(exchange.field('server-timing'), timing)]
  return { ...reply, fields, checkedNames: undefined, memo: undefined }
}
