import type { FieldChanges } from '../port/exchange.js'
import type { Recording } from '../port/recording.js'

/** A recording, and the field changes that a request is forwarded with. */
export class Forwarding {
  readonly recording: Recording
  readonly changes: FieldChanges | undefined

  constructor(recording: Recording, changes?: FieldChanges) {
    this.recording = recording
    this.changes = changes
  }
}

/** Neither a reply nor a handler run: the client has left while its request waited. */
export const NOTHING = Symbol('nothing')
