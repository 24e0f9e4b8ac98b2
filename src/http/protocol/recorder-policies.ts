import type { Exchange } from '../port/exchange.js'
import { isFilledInput } from '../rules/filled-inputs.js'
import type { StoragePolicy } from '../rules/storage-policy.js'
import type { Policy } from './policy.js'
import type { RecorderPolicy } from './recorded-request.js'

/** Makes recorder policies from the options of a middleware. */
export class RecorderPolicies<Context extends object> {
  readonly #policy: Policy<Context>
  readonly #plain = new Map<StoragePolicy, RecorderPolicy>()

  constructor(policy: Policy<Context>) {
    this.#policy = policy
  }

  /** The policy for the recorder of a request. */
  for(exchange: Exchange<Context>, storage: StoragePolicy): RecorderPolicy {
    const { tags, cacheIf } = this.#policy
    const plain = this.#plain.get(storage) ?? this.#plainFor(storage)
    if (tags === undefined && cacheIf === undefined) return plain
    const named = tags === undefined ? [] : [() => (typeof tags === 'function' ? tags(exchange.context) : tags)]
    return { ...plain, tags: named, cacheIf: cacheIf && ((response) => cacheIf(response, exchange.context)) }
  }

  /** The policy of an outer middleware's recorder, combined with the options of this nested middleware. */
  refined(outer: RecorderPolicy, exchange: Exchange<Context>): RecorderPolicy {
    const own = this.for(exchange, this.#policy.storage)
    const keyedFields = [...outer.storage.keyedFields, ...own.storage.keyedFields]
    return {
      ...own,
      storage: { ...own.storage, ttl: own.storage.ttl ?? outer.storage.ttl, keyedFields },
      vary: [...new Set([...outer.vary, ...own.vary])],
      maxVariants: outer.maxVariants === undefined ? undefined : own.maxVariants,
      tags: [...outer.tags, ...own.tags],
      cacheIf: own.cacheIf ?? outer.cacheIf,
      precompress: own.precompress ?? outer.precompress,
      emitTags: own.emitTags ?? outer.emitTags,
      inputs: own.inputs && outer.inputs,
      filledNames: [...new Set([...outer.filledNames, ...own.filledNames])],
    }
  }

  /** The part of the policy that all recorders with the same storage policy share. */
  #plainFor(storage: StoragePolicy): RecorderPolicy {
    const { vary, exactVary, maxVariants, dropPerRun, cacheStatus, precompress, inputs, query, emitTags } = this.#policy
    const keyedParameters = typeof query === 'string' ? undefined : query
    const plain: RecorderPolicy = {
      ...{
        storage,
        vary,
        exactVary,
        maxVariants,
        dropPerRun,
        cacheStatus,
        precompress,
        inputs,
        keyedParameters,
        emitTags,
      },
      filledNames: vary.filter(isFilledInput),
      tags: [],
      cacheIf: undefined,
      patience: this.#policy.collapseTimeout,
    }
    this.#plain.set(storage, plain)
    return plain
  }
}
