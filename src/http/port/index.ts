/**
 * The interface for framework adapters. Adapters import this file and `../protocol/index.js`, and no other file of
 * `src/http`.
 */

export { countedQuery } from '../rules/counted-query.js'
export {
  filledText,
  isIdentifierName,
  isNeutralName,
  isPlainValue,
  isPrivate,
  isTelling,
  LINES,
  ROUTE,
} from '../rules/filled-inputs.js'
export type { AddressExcuse, InputsRead } from '../rules/inputs-read.js'
export { tokenOf } from '../rules/met-objects.js'
export { isOfOneRun, RESPONSE_FIELD } from '../rules/neutral-response-fields.js'
export { ANSWERED, otherOrigin } from '../rules/origin.js'
export { isPlainField } from '../rules/plain-fields.js'
export type { FieldList, FieldValue } from '../syntax/fields.js'
export { emptyFields, isToken } from '../syntax/fields.js'
export { lowerCase } from '../syntax/lower-case.js'
export { isNameOfObjects } from '../syntax/names-of-objects.js'
export { pathOf } from '../syntax/target.js'
export type { DetachedRun, Exchange, FieldChanges, RefreshHead } from './exchange.js'
export type { FinishedResponse } from './finished-response.js'
export { ownBytes } from './own-bytes.js'
export type { Onward, Recording, ResponseHead } from './recording.js'
export type { Reply } from './reply.js'
export type { RequestContent } from './request-content.js'
export type { RequestHead } from './request-head.js'
export type { ResponseHandle } from './response-handle.js'
