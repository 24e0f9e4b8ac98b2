import type { IncomingMessage, ServerResponse } from 'node:http'
import { isOfNode } from './untouched-response.js'

/** How long an inspected response is representative of the server's others, in milliseconds. */
const KNOWN_FOR = 1000

/** Observes the responses that Node.js creates for a server. */
export class MadeResponses {
  /** The request whose response object is being created. */
  #opening: Opening | undefined
  #isOfNode = false
  #knownUntil = 0

  /**
   * Whether the server's responses are plain Node.js ones that no other code patches or observes; one is inspected per
   * second.
   */
  get areOfNode(): boolean {
    return this.#isOfNode && Date.now() < this.#knownUntil
  }

  /** Inspects a newly created response. @returns whether {@link of} is waiting for it */
  see(request: IncomingMessage, response: ServerResponse): boolean {
    // A response that closes its connection is not representative.
    if (response.shouldKeepAlive && Date.now() >= this.#knownUntil) {
      this.#isOfNode = isOfNode(response)
      this.#knownUntil = Date.now() + KNOWN_FOR
    }
    if (this.#opening?.request !== request) return false
    this.#opening.response = response
    return true
  }

  /**
   * The response that Node.js creates when the request takes the normal path; `undefined` if other code received it.
   */
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
