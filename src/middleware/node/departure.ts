import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'

/**
 * Whether the handler of a request may know that its client has left. A handler that knows may have stopped early, and what it ends its response
 * with then is no whole answer; what a handler that cannot know makes is as good as ever.
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

  /** True once the handler has listened for it, or has looked. */
  get wasSeen(): boolean {
    return this.#wasSeen
  }

  /** Whether the connection is gone and {@link note} is still to come. */
  get isOver(): boolean {
    if (this.#isNoted) return false
    const { stream } = this.#response as { readonly stream?: { readonly destroyed: boolean } | undefined }
    return this.#response.destroyed || (stream ?? this.#request.socket).destroyed
  }

  /** The client has left: called before the listeners of the handler are. */
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
    // The socket of http2 is for all of its streams, and refuses to be looked at once it is closed.
    const { stream = request.socket } = this.#response as { readonly stream?: EventEmitter }
    const own = [...this.#response.rawListeners('close'), ...request.rawListeners('close')]
    return [...own, ...request.rawListeners('aborted'), ...stream.rawListeners('close')]
  }
}

/** Tells of each read of a property that says whether a client is there. */
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
