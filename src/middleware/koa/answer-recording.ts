import timers from 'node:timers'
import type { Context } from 'koa'
import type { Onward, Recording } from '../../http/port/index.js'
import {
  drain,
  layFields,
  NO_OUTER_FIELDS,
  type OuterFields,
  tee,
  unwatchedValue,
  watchResponse,
} from '../node/index.js'
import { type KoaBody, koaBody, sendsWebBodies } from './body.js'
import { KoaResponseHead, putJson, replyInstead, setBody } from './response.js'

/** Records what the handlers set on the context, and prepares it for Koa to send. */
export function recordAnswer(ctx: Context, outer: OuterFields | undefined, recording: Recording): void | Promise<void> {
  // The handler writes to the response directly, so ctx.body is not the response.
  if (isAround(ctx) || ctx.res.headersSent) return passBy(ctx, outer, recording)
  // If only the head is needed, the body is left to Koa, which serializes an object itself.
  const body = recording.wants === 'head' ? UNKNOWN : koaBody(ctx)
  const bytes = body.kind === 'whole' ? body.bytes : undefined
  const onward = recording.begin(new KoaResponseHead(ctx, outer, body === UNKNOWN ? undefined : body), bytes)
  if (onward.before !== undefined) return onward.before.then(() => passOn(ctx, { outer, recording, body }, onward))
  return passOn(ctx, { outer, recording, body }, onward)
}

/** Whether the handler has told Koa that it writes the response itself. */
export function isAround(ctx: Context): boolean {
  return unwatchedValue(ctx, 'respond') === false
}

/** A response of the handlers, and its recording. */
interface RecordedBody {
  readonly outer: OuterFields | undefined
  readonly recording: Recording
  readonly body: KoaBody
}

function passOn(
  ctx: Context,
  { outer, recording, body }: RecordedBody,
  { fields, checkedNames, instead, record }: Onward,
): void | Promise<void> {
  if (instead !== undefined) {
    const answer = () => replyInstead(ctx, outer?.values ?? NO_OUTER_FIELDS, instead)
    return record ? finish(body, recording).then(answer) : answer()
  }
  layFields(ctx.res, fields, checkedNames)
  if (record) watch(ctx, body, recording)
}

const UNKNOWN: KoaBody = { kind: 'unanswered' }

/** Does not record a response written around Koa. If only its head is needed, waits for it. */
export function passBy(
  ctx: Context,
  outer: OuterFields | undefined,
  recording: Recording,
  isWritten = ctx.headerSent,
): void {
  if (!isWritten && recording.wants === 'head') {
    watchResponse(ctx.req, ctx.res, recording, () => {})
    return
  }
  if (isWritten) recording.begin(new KoaResponseHead(ctx, outer))
  recording.abort('aborted')
}

async function finish(body: KoaBody, recording: Recording): Promise<void> {
  if (body.kind === 'stream') await drain(body.open(), recording)
  else if (body.kind === 'whole') recording.end()
  else recording.abort('aborted')
}

// Captured at load time, because a test runner's fake timers would never fire.
const { setImmediate } = timers

/** Ends the response to which middleware in front, such as koa-compress, was still passing on a stream that failed. */
function breakOff(ctx: Context, copy: unknown, error: Error): void {
  const { res } = ctx
  if (ctx.body === copy || res.writableEnded) return
  if (res.headersSent) res.destroy()
  else ctx.onerror(error)
}

function watch(ctx: Context, body: KoaBody, recording: Recording): void {
  if (body.kind === 'stream') {
    // Koa 2 listens for errors of every stream that was set as ctx.body, including the handler's own.
    const silent = !sendsWebBodies(ctx.response)
    const copy = tee(body.open(), recording, {
      silent,
      onBroken: (error) => void setImmediate(breakOff, ctx, copy, error),
    })
    setBody(ctx, copy)
  } else if (body.kind === 'whole') {
    // Replaces the object by its JSON text, so that Koa does not serialize it again.
    if (body.from === 'json') putJson(ctx, String(body.bytes))
    recording.end()
  } else {
    recording.abort('aborted')
  }
}
