import type { Onward, Recording, ResponseHead } from '../port/recording.js'
import type { Reply } from '../port/reply.js'
import { ContentDigest } from '../shadow/fingerprint.js'
import { LONGEST_TEXT, type Words, wordsIn } from '../shadow/words.js'
import { AS_IT_IS } from './pass-through.js'
import { ResponseRecorder } from './response-recorder.js'

/** A response of the application that is compared with what the cache would have sent. */
export interface SeenResponse {
  /** `undefined` if it cannot be compared. */
  readonly content: string | undefined
  /** `undefined` if the body is not text. */
  readonly words: Words | undefined
  /** Bytes of the body. */
  readonly size: number
}

/** What is done with a response that the cache would have answered in place of the handler. */
export interface Comparison {
  /** The response begins, so that its route is known. */
  begin(head: ResponseHead): void
  /** It is complete, or will not be. Called once. */
  end(seen: SeenResponse): void
}

/**
 * Watches a response in shadow mode. It changes nothing, and delays nothing: what the recording behind it wants to send
 * is not sent.
 */
export class ShadowRecording implements Recording {
  readonly wants: Recording['wants']
  readonly inputs: Recording['inputs']
  readonly handle: Recording['handle']
  readonly #recording: Recording
  #comparison: Comparison | undefined
  #digest: ContentDigest | undefined
  #isText = false
  #text: Buffer[] | undefined
  #textBytes = 0
  /** Whether the recording behind it takes further bytes. */
  #isRecording = false

  constructor(recording: Recording, comparison: Comparison | undefined) {
    this.#recording = recording
    this.#comparison = comparison
    this.wants = comparison === undefined ? recording.wants : 'response'
    this.inputs = recording.inputs
    this.handle = recording.handle
  }

  begin(head: ResponseHead, whole?: Uint8Array | string): Onward {
    this.#comparison?.begin(head)
    this.#isRecording = this.#isConditional(head) ? false : this.#recording.begin(head, whole).record
    if (this.#comparison !== undefined) this.#compare(head, whole)
    return this.#isRecording || this.#digest !== undefined ? RECORD : AS_IT_IS
  }

  write(chunk: Buffer | string): boolean {
    this.#add(chunk)
    if (this.#isRecording) this.#isRecording = this.#recording.write(chunk)
    return this.#isRecording || this.#digest !== undefined
  }

  pause(): void {
    this.#recording.pause()
  }

  resume(): void {
    this.#recording.resume()
  }

  end(): void {
    this.#conclude(this.#digest?.end())
    this.#recording.end()
  }

  leave(): void {
    this.#conclude(undefined)
    this.#recording.leave()
  }

  abort(reason: 'aborted' | 'trailers' | 'fault'): void {
    this.#conclude(undefined)
    this.#recording.abort(reason)
  }

  fail(error: unknown): Reply | undefined {
    this.#conclude(undefined)
    this.#recording.fail(error)
    return undefined
  }

  /** A 304 of the handler, which in normal mode does not see the client's conditions: nothing can be learnt from it. */
  #isConditional({ status }: ResponseHead): boolean {
    if (status !== 304 || !(this.#recording instanceof ResponseRecorder)) return false
    this.#recording.of.tally.count()
    this.#recording.standDown()
    return true
  }

  #compare(head: ResponseHead, whole: Uint8Array | string | undefined): void {
    // What Cache-Control, ranges and errors make of an answer is not a change of the page.
    if (head.status === 304 || head.status === 206 || head.status >= 500) {
      this.#conclude(undefined)
      return
    }
    this.#digest = new ContentDigest(head.status, head.field('location'))
    this.#isText = head.field('content-encoding') === undefined
    if (whole !== undefined) this.#add(whole)
  }

  #add(chunk: Uint8Array | string): void {
    if (this.#digest === undefined) return
    this.#digest.add(chunk)
    if (!this.#isText || this.#textBytes >= LONGEST_TEXT) return
    const bytes = Buffer.from(
      typeof chunk === 'string' ? chunk.slice(0, LONGEST_TEXT) : chunk.subarray(0, LONGEST_TEXT),
    )
    this.#text ??= []
    this.#text.push(bytes)
    this.#textBytes += bytes.length
  }

  #conclude(content: string | undefined): void {
    const comparison = this.#comparison
    this.#comparison = undefined
    if (comparison === undefined) return
    const size = this.#digest?.size ?? 0
    const text = this.#text
    this.#digest = undefined
    this.#text = undefined
    const isCut = size > this.#textBytes
    comparison.end({ content, size, words: text && wordsIn(Buffer.concat(text), isCut) })
  }
}

const RECORD: Onward = { ...AS_IT_IS, record: true }
