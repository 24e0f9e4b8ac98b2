import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * Tracks whether the handler may know that its client has disconnected. A handler that knows may have stopped early, so
 * that the response it then ends may be incomplete; a handler that cannot know produces a complete response.
 */
export class Departure {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #listenersBefore: ReadonlySet<unknown>
  #wasSeen = false
  #isNoted = false

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request
    this.#response = response
    this.#listenersBefore = new Set(this.#listeners())
  }

  /** True once the handler has listened for the disconnect, or has read a property that shows it. */
  get wasSeen(): boolean {
    return this.#wasSeen
  }

  /** Whether the connection is closed but {@link note} was not called yet. */
  get isOver(): boolean {
    if (this.#isNoted) return false
    const { stream } = this.#response as { readonly stream?: { readonly destroyed: boolean } | undefined }
    return this.#response.destroyed || (stream ?? this.#request.socket).destroyed
  }

  /** Records the disconnect; called before the handler's own listeners. */
  note(): void {
    this.#isNoted = true
    this.#wasSeen ||= this.#listeners().some((listener) => !this.#listenersBefore.has(listener))
    if (this.#wasSeen) return
    const see = () => {
      this.#wasSeen = true
    }
    for (const name of ['destroyed', 'closed', 'errored']) watchReads(this.#response, name, see)
    for (const name of ['destroyed', 'closed', 'aborted', 'errored']) watchReads(this.#request, name, see)
  }

  #listeners(): readonly unknown[] {
    const request = this.#request
    // The socket of http2 is shared by all streams, and throws on access after it is closed.
    const { stream = request.socket } = this.#response as { readonly stream?: EventEmitter }
    const own = [...this.#response.rawListeners('close'), ...request.rawListeners('close')]
    return [...own, ...request.rawListeners('aborted'), ...stream.rawListeners('close')]
  }
}

/** Calls `see` on each read of a property that shows whether the client is connected. */
function watchReads(target: object, name: string, see: () => void): void {
  let value: unknown = Reflect.get(target, name)
  if (value === undefined) return
  Object.defineProperty(target, name, {
    configurable: true,
    enumerable: true,
    get() {
      see()
      return value
    },
    set(next) {
      value = next
    },
  })
}
