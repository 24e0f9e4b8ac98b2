import type { FieldList } from '../syntax/fields.js'

/** A complete response from the cache. */
export interface Reply {
  readonly status: number
  /** The reason phrase, if it is not the standard one. */
  readonly reason: string | undefined
  /**
   * Fields to set on the response; each replaces a field of outer middleware with the same name. Includes
   * `Content-Length` if there is one.
   */
  readonly fields: FieldList
  /** Whether `Content-Length` is not the handler's: middleware that adds bytes may not expect one. */
  readonly isLengthAdded?: boolean
  /** The names of {@link fields} in lower case; only present if names and values were validated. */
  readonly checkedNames?: readonly string[] | undefined
  /** Names of fields to remove, even if outer middleware has set them. */
  readonly removed: readonly string[]
  /**
   * The bytes, which are shared and must not be modified. `undefined` for none, as for 304 and HEAD (`status` is
   * unchanged).
   */
  readonly body: Buffer | undefined
  /** Storage for the adapter's prepared form: the same reply answers all hits within one second. */
  memo?: unknown
}
