import type { ServerResponse } from 'node:http'
import type { Onward, Recording, ResponseHead } from '../../http/port/index.js'

/**
 * The recording of a response that a handler writes around Koa, by `ctx.res`. It is not stored. But if the cache has
 * changed the conditions of the request, the client must get the response to its own ones.
 */
export class AroundKoa implements Recording {
  readonly wants = 'response'
  readonly #recording: Recording
  #isForKoa = false

  constructor(recording: Recording) {
    this.#recording = recording
  }

  get handle(): Recording['handle'] {
    return this.#recording.handle
  }

  begin(head: ResponseHead): Onward {
    if (this.#isForKoa) return { fields: [], instead: undefined, record: false, before: undefined }
    const onward = this.#recording.begin(head)
    this.#recording.abort('aborted')
    return { ...onward, record: false }
  }

  /** The handlers have set the response on the context: what is written from now on is written by Koa. */
  leaveToKoa(): void {
    this.#isForKoa = true
  }

  abort(reason: 'aborted' | 'trailers' | 'fault'): void {
    this.#recording.abort(reason)
  }

  leave(): void {
    this.#recording.leave()
  }

  write(): boolean {
    return false
  }

  fail(): undefined {
    return undefined
  }

  pause(): void {}
  resume(): void {}
  end(): void {}
}

/**
 * Calls a function before a head is written while the handlers run: they write around Koa, maybe for as long as the client
 * stays, as they do for Server-Sent Events.
 *
 * @returns a function to be called when the handlers have ended
 */
export function onceWritten(response: ServerResponse, written: () => void): () => void {
  const { writeHead } = response
  let isOver = false
  const stop = (): void => {
    isOver = true
    // Middleware behind the cache may have wrapped it, and goes on calling it.
    if (response.writeHead === telling) response.writeHead = writeHead
  }
  const telling = (...args: readonly unknown[]): ServerResponse => {
    const isFirst = !isOver
    stop()
    if (isFirst) written()
    return writeHead.apply(response, args as Parameters<typeof writeHead>)
  }
  response.writeHead = telling
  return stop
}
