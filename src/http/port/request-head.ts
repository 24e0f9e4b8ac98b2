import type { Filling } from '../rules/vary.js'
import type { FieldValue } from '../syntax/fields.js'

/** The head of a request. */
export interface RequestHead extends Filling {
  /** In upper case, as the application will see it. */
  readonly method: string
  /** The method on the request line, if the framework knows that it was changed (method-override). */
  readonly originalMethod?: string | undefined
  /** The request target as received: path and query, independent of the mount path (`originalUrl`). */
  readonly url: string
  /**
   * The request target after a rewrite by middleware (for example by a cookie or Accept), if it differs from
   * {@link url} by more than the mount path.
   */
  readonly rewritten?: string | undefined
  /** Whether a body follows that no field announces, as HTTP/2 permits, or middleware in front has put one on the request. */
  readonly hasBody?: boolean | undefined
  /** `http` or `https`, as resolved by the framework (`trust proxy`). */
  readonly protocol: string
  /** Host and port, as resolved by the framework; `''` if there is none. */
  readonly host: string
  /** The origin fields that contradict {@link protocol} and {@link host}; see `otherOrigin`. */
  readonly otherOrigin?: string | undefined
  /**
   * The status, reason phrase and Content-Type that middleware in front has set on the response, as text: a handler, or
   * the framework for it, keeps what is set. `undefined` if it has set none.
   */
  readonly begun?: string | undefined
  /** Fields by lower-case name, with repeated lines joined as in Node.js. */
  readonly headers: Readonly<Record<string, FieldValue | undefined>>
  /** Names and values of the fields as the client sent them, one after the other; `undefined` if unknown. */
  readonly lines?: readonly string[] | undefined
  /**
   * True if all fields except If-None-Match are known to be plain (see `isPlainField`): {@link headers} is then only
   * read if responses vary.
   */
  readonly isPlain?: boolean | undefined
  /** The value of If-None-Match, if {@link isPlain} is true. */
  readonly ifNoneMatch?: string | undefined
}
