/** What this folder offers to the front door and the frameworks: how requests and responses of Node.js are sent and observed. */

export { knownFields, layFields, sendPreparedOver, setField, supportsPrepared } from '../node-internals/index.js'
export { addedContent, HANDLER, type ParsedContent } from './added-content.js'
export { begunAnswer, begunKoaAnswer } from './begun-answer.js'
export { hasDeparted, isClosed, onceClosed, socketOf } from './departure.js'
export { detachedRun } from './detached.js'
export { filledIn } from './filled-values.js'
export { checkArguments, checkExplained, checkIsCalled, misplaced } from './misuse.js'
export {
  changeFields,
  fieldOf,
  layReply,
  lineOf,
  type NodeRequest,
  rewrittenUrl,
  sendReply,
  streamsBody,
  userOf,
} from './node-response.js'
export { isEncrypted, otherOriginOf } from './origin-fields.js'
export { NO_OUTER_FIELDS, OuterFields, outerFieldOf } from './outer-fields.js'
export { descriptorOf } from './prototype-chain.js'
export { keepContent, type ParsedRequest, readContent } from './request-content.js'
export { drain, tee } from './tee.js'
export { throwOutside } from './throw-outside.js'
export { watchEndings } from './trailers.js'
export { unwatchedValue } from './watched-absent.js'
export { watchFilled, watchFilledContext } from './watched-filled.js'
export { watchOriginalUrl, watchQuery } from './watched-query.js'
export { watchRequest } from './watched-request.js'
export { watchResponse } from './watched-response.js'
export { ResponseFieldsWatch } from './watched-response-fields.js'
export { inWireText } from './wire-text.js'
