import { pipeline, type Readable, Transform, type TransformCallback } from 'node:stream'
import { ownBytes, type Recording } from '../../http/port/index.js'

/** The methods of a recording that receive the body. */
export type Listener = Pick<Recording, 'write' | 'pause' | 'resume' | 'end' | 'abort'>

/** How a copy of a stream behaves if the stream fails. */
export interface TeeOptions {
  /** True to end without an error, because the reader gets the error from the source. */
  readonly silent: boolean
  /** Called if the source fails while the copy is being read. */
  readonly onBroken: (error: Error) => void
}

/**
 * Returns a stream that passes on `source` without delay, at the reader's pace, and copies it to a recording. End,
 * error and destruction propagate in both directions.
 */
export function tee(source: Readable, recording: Listener, options: TeeOptions): Readable {
  const copy = new Tee(source.readableObjectMode, recording, options)
  // @koa/etag asks for the file behind a stream.
  const { path } = source as { readonly path?: unknown }
  if (path !== undefined) Object.assign(copy, { path })
  // The copy reports errors; the callback only keeps pipeline() from throwing.
  pipeline(source, copy, () => {})
  return copy
}

/** Reads a stream to its end for the recording alone. Never rejects. */
export async function drain(source: Readable, recording: Listener): Promise<void> {
  try {
    for await (const chunk of source) {
      if (!recording.write(chunk instanceof Uint8Array ? ownBytes(chunk) : String(chunk))) return
    }
    recording.end()
  } catch {
    recording.abort('aborted')
  }
}

class Tee extends Transform {
  readonly #recording: Listener
  readonly #options: TeeOptions
  #listening = true
  #isPaused = false

  constructor(objectMode: boolean, recording: Listener, options: TeeOptions) {
    super({ objectMode })
    this.#recording = recording
    this.#options = options
  }

  override _transform(chunk: unknown, _encoding: BufferEncoding, callback: TransformCallback): void {
    const sent = this.#listening && chunk instanceof Uint8Array ? ownBytes(chunk) : chunk
    if (this.#listening) this.#listening = this.#recording.write(textOrBytes(sent))
    callback(null, sent)
    if (!this.#listening || this.readableLength < this.readableHighWaterMark) return
    this.#isPaused = true
    this.#recording.pause()
  }

  /** Called when the reader wants more data. */
  override _read(size: number): void {
    if (this.#isPaused) this.#recording.resume()
    this.#isPaused = false
    super._read(size)
  }

  override _flush(callback: TransformCallback): void {
    if (this.#listening) this.#recording.end()
    callback()
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#recording.abort('aborted')
    callback(this.#options.silent ? null : error)
    const isRead = this.listenerCount('data') > 0 || this.listenerCount('readable') > 0
    if (error !== null && isRead) this.#options.onBroken(error)
  }
}

function textOrBytes(chunk: unknown): Buffer | string {
  return Buffer.isBuffer(chunk) ? chunk : String(chunk)
}
