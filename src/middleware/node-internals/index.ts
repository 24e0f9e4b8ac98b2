/**
 * What this folder offers to `node/` and `front-door/`: everything that relies on private parts of Node.js. Each part is
 * compared with the public API when it is loaded; if they differ, the public API is used.
 */

export { readDistinct } from './distinct-fields.js'
export { answerEarly, type Unopened } from './early-answers.js'
export { keepFileName } from './file-names.js'
export type { MadeResponses } from './made-responses.js'
export { matchingPrototypes } from './matching-prototypes.js'
export { NoSocket, requestOn, responseOn } from './no-socket.js'
export {
  hasHadFields,
  hideFields,
  knownFields,
  layFields,
  layStoredFields,
  type OutgoingFields,
  outgoingFields,
  setField,
} from './outgoing-fields.js'
export { sendPrepared, sendPreparedOver, supportsPrepared } from './prepared-head.js'
export { countSent, guardSent, type SentBytes, type SentGuard } from './sent-bytes.js'
export { hasUnreadFields } from './unread-fields.js'
