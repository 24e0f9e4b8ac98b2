import { type CacheControl, NO_DIRECTIVES } from '../syntax/cache-control.js'
import {
  isAmount,
  isFieldNames,
  isFinalStatus,
  isInputNames,
  isPartOfControl,
  isReasonPhrase,
} from '../syntax/well-formed.js'
import type { StoredHead } from './stored-head.js'

/** The part of a stored head that is the same for most responses of a route. */
export type StoredShape = Omit<StoredHead, 'identity' | 'fields' | 'initialAge' | 'cost' | 'values' | 'encodings'>

/** A shape as members of JSON. Their names are short, because the text is part of every read. */
export function shapeMembers(head: StoredShape): Readonly<Record<string, unknown>> {
  return {
    s: head.status,
    r: head.reason,
    o: head.ownEntityTag || undefined,
    p: head.appended.length === 0 ? undefined : head.appended,
    x: head.removed.length === 0 ? undefined : head.removed,
    c: distinctive(head.control),
    w: head.staleWhileRevalidate || undefined,
    e: head.staleIfError || undefined,
    v: head.selecting.length === 0 ? undefined : head.selecting,
    n: head.nested || undefined,
    t: head.routePattern,
  }
}

/** Reads {@link shapeMembers}; `undefined` if they are invalid. */
export function readShape(meta: Readonly<Record<string, unknown>>): StoredShape | undefined {
  const { s: status, r: reason, p: appended = [], x: removed = [], c: control = {}, v: selecting = [] } = meta
  const { w: staleWhileRevalidate = 0, e: staleIfError = 0, t: routePattern } = meta
  // Valid JSON that is invalid in HTTP was not written by this package.
  if (!isFinalStatus(status) || !(reason === undefined || isReasonPhrase(reason))) return undefined
  if (!isFieldNames(appended) || !isFieldNames(removed) || !isPartOfControl(control) || !isInputNames(selecting))
    return undefined
  if (!isAmount(staleWhileRevalidate) || !isAmount(staleIfError)) return undefined
  return {
    status,
    reason,
    ownEntityTag: meta.o === true,
    appended,
    removed,
    control: meta.c === undefined ? NO_DIRECTIVES : { ...NO_DIRECTIVES, ...control },
    staleWhileRevalidate,
    staleIfError,
    selecting,
    nested: meta.n === true,
    routePattern: typeof routePattern === 'string' ? routePattern : undefined,
  }
}

/** The directives that are present; `undefined` if there are none. */
export function distinctive(control: CacheControl): Partial<CacheControl> | undefined {
  if (control === NO_DIRECTIVES) return undefined
  const there = Object.entries(control).filter(([name, value]) => {
    const none = NO_DIRECTIVES[name as keyof CacheControl]
    return Array.isArray(value) ? value.length > 0 : value !== none
  })
  return there.length === 0 ? undefined : Object.fromEntries(there)
}
