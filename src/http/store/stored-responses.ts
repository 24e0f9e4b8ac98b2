import type { CacheEngine } from '../../core/engine.js'
import type { RequestHead } from '../port/request-head.js'
import { type FoundUnder, NoVarySearchIndex, type SearchKeys } from './no-vary-search-index.js'
import type { PrimaryKey } from './primary-key.js'
import type { RecordedHead } from './recorded-response.js'
import type { StoredHead } from './stored-head.js'
import { type FoundVariant, type Kept, type RecordedFor, Variants } from './variants.js'

/** A lookup of one request, with the key determined so far. */
export interface Sought {
  readonly request: RequestHead
  /** `undefined` if No-Vary-Search is not supported for this route. */
  readonly search: SearchKeys | undefined
  key: PrimaryKey
}

/** A request whose response is to be stored. */
export interface ToStore extends RecordedFor {
  /** As in {@link Sought}. */
  readonly search: SearchKeys | undefined
}

/**
 * Finds and stores the responses of one middleware, under the key of their exact query or of a rule of No-Vary-Search.
 */
export class StoredResponses {
  readonly variants: Variants
  readonly searchIndex: NoVarySearchIndex
  /** Told of each response that was stored. */
  onKept: ((storageKey: string, head: StoredHead, body: Buffer, of: ToStore) => void) | undefined = undefined

  constructor(cache: CacheEngine) {
    this.variants = new Variants(cache)
    this.searchIndex = new NoVarySearchIndex(cache, this.variants)
  }

  /** Finds the response that a request selects, and stores the key of the result in `lookup`. */
  find(lookup: Sought): FoundVariant | Promise<FoundVariant> {
    return findIn(this.variants, this.searchIndex, lookup)
  }

  /** The same with another lookup function, from what is known here; what is learnt is discarded. */
  findBy(find: CacheEngine['find'], lookup: Sought): FoundVariant | Promise<FoundVariant> {
    const variants = this.variants.lookingBy(find)
    return findIn(variants, this.searchIndex.lookingBy(find, variants), lookup)
  }

  /** Stores a response. */
  keep(recorded: RecordedHead, head: StoredHead, body: Buffer, of: ToStore): Kept {
    const kept = this.variants.keep(recorded, head, body, of)
    if ('refusal' in kept) return kept
    if (of.search !== undefined) this.searchIndex.keep(of.search, recorded, of.mark)
    this.onKept?.(kept.storageKey, head, body, of)
    return kept
  }
}

function findIn(variants: Variants, index: NoVarySearchIndex, lookup: Sought): FoundVariant | Promise<FoundVariant> {
  const { search, request } = lookup
  if (search === undefined) return variants.find(lookup.key, request)
  const under = index.find(search, request)
  const at = ({ key, found }: FoundUnder): FoundVariant => {
    lookup.key = key
    return found
  }
  return under instanceof Promise ? under.then(at) : at(under)
}
