import type { StoredHead } from '../../src/http/store/stored-head.js'
import { NO_DIRECTIVES } from '../../src/http/syntax/cache-control.js'

/** The head of a stored response that says nothing but what is asked for. */
export function storedHead(more: Partial<StoredHead> = {}): StoredHead {
  return {
    identity: 'GET http://cache.test/',
    status: 200,
    reason: undefined,
    fields: [],
    ownEntityTag: false,
    appended: [],
    removed: [],
    control: NO_DIRECTIVES,
    initialAge: 0,
    cost: 0,
    staleWhileRevalidate: 0,
    staleIfError: 0,
    selecting: [],
    values: [],
    nested: false,
    ...more,
  }
}
