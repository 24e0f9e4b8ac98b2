import type { IncomingMessage, ServerResponse } from 'node:http'
import { isOfNode } from './prepared-head.js'

/** How long what is known of a server's responses holds; ms. */
const KNOWN_FOR = 1000

/** What is known of the responses that node makes for a server. */
export class MadeResponses {
  /** The request whose response is being made. */
  #opening: Opening | undefined
  #isOfNode = false
  #knownUntil = 0

  /** Whether nobody but node has to do with them: one of them is looked at every second. */
  get areOfNode(): boolean {
    return this.#isOfNode && Date.now() < this.#knownUntil
  }

  /** Looks at one that node has just made. @returns whether it is awaited by a request that was taken before */
  see(request: IncomingMessage, response: ServerResponse): boolean {
    // One that ends its connection tells nothing of others.
    if (response.shouldKeepAlive && Date.now() >= this.#knownUntil) {
      this.#isOfNode = isOfNode(response)
      this.#knownUntil = Date.now() + KNOWN_FOR
    }
    if (this.#opening?.request !== request) return false
    this.#opening.response = response
    return true
  }

  /** The response that node makes for a request when the request goes the ordinary way; `undefined`: somebody else has it. */
  of(request: IncomingMessage, goOrdinaryWay: () => void): ServerResponse | undefined {
    const made: Opening = { request, response: undefined }
    this.#opening = made
    try {
      goOrdinaryWay()
    } finally {
      this.#opening = undefined
    }
    return made.response
  }
}

interface Opening {
  readonly request: IncomingMessage
  response: ServerResponse | undefined
}
