import type { FieldChanges } from '../port/exchange.js'
import type { RequestHead } from '../port/request-head.js'
import { isSecretField } from '../rules/credentials.js'
import { selectingValues } from '../rules/vary.js'
import { keyParts } from '../store/primary-key.js'
import { representationFor } from '../store/representation.js'
import { StoredResponse } from '../store/stored-response.js'
import { distinctive } from '../store/stored-shape.js'
import type { FoundVariant } from '../store/variants.js'
import { fieldValue } from '../syntax/fields.js'
import type { ExplainedForward, ExplainedKey, ExplainedResponse, ExplainedSelection } from './explanation.js'
import type { Lookup } from './lookup.js'
import type { Policy } from './policy.js'

/** The conditions that the handler receives, and the client's fields that are hidden from it. */
export function forwardedWith(changes: FieldChanges | undefined, headers: RequestHead['headers']): ExplainedForward {
  const conditions: Record<string, string> = {}
  const hidden: string[] = []
  for (const [name, value] of Object.entries(changes ?? {})) {
    if (value !== undefined) conditions[name] = value
    else if (headers[name] !== undefined) hidden.push(name)
  }
  return { conditions, hidden }
}

/** The key of a request, and the parts it is made of. */
export function explainedKey<Context extends object>(
  lookup: Lookup<Context>,
  isRefined: boolean,
  policy: Policy<Context>,
): ExplainedKey {
  const group = policy.group.replace(/:$/, '')
  const { origin, path, query: own } = keyParts(policy, lookup.request)
  const { key, personal } = lookup
  const { rule } = key
  const query = rule?.apply(own) ?? own
  return { text: key.text, group, origin, path, query, noVarySearch: rule?.text, isRefined, isPersonal: personal }
}

/** Describes the stored response that was found, or otherwise a known response with other selecting values. */
export function seenIn<Context extends object>(
  { stored: own, other, found }: FoundVariant,
  { request }: Lookup<Context>,
  now: number,
): ExplainedResponse | undefined {
  const stored = own ?? (other instanceof StoredResponse ? other : undefined)
  if (stored === undefined) return undefined
  const { entry } = stored
  return {
    status: stored.status,
    tier: found?.tier ?? 'memory',
    storedAt: entry.storedAt,
    age: stored.ageAt(now),
    lifetimeLeft: stored.lifetimeLeft(now),
    staleAt: entry.staleAt,
    deleteAt: entry.deleteAt,
    staleWhileRevalidate: stored.staleWhileRevalidate,
    staleIfError: stored.staleIfError,
    selecting: selections(stored, request),
    tags: [...entry.tags],
    entityTag: fieldValue(stored.byName, 'etag'),
    isOwnEntityTag: stored.ownEntityTag,
    lastModified: fieldValue(stored.byName, 'last-modified'),
    control: distinctive(stored.control) ?? {},
    size: stored.body.length,
    coding: representationFor(stored, request, now).coding,
    encodings: (stored.encodings ?? []).map(({ coding, length }) => ({
      coding,
      size: length === 0 ? undefined : length,
    })),
    isNested: stored.nested,
    isSoftened: found?.softened === true,
  }
}

function selections(stored: StoredResponse, request: RequestHead): readonly ExplainedSelection[] {
  const asked = selectingValues(stored.selecting, request.headers, request)
  return stored.selecting.map((name, at) => {
    const one = stored.values[at] ?? null
    const other = asked[at] ?? null
    const hide = (value: string | null) => (value !== null && isSecretField(name) ? '(hidden)' : value)
    return { name, stored: hide(one), asked: hide(other), isEqual: one === other }
  })
}
