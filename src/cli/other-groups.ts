import type { FallbackCache } from '../index.js'
import { inspectorOf } from '../inspect/index.js'

/** Number of entries in Redis whose groups are looked at; maximum number of groups that are named. */
const EXAMINED = 500
const MOST_NAMED = 10

/** A key of a response: its group, if it has one, and its path. */
const RESPONSE = /^(?:([\w.-]+):)?\//

/**
 * What to tell someone who invalidates paths of a group that no response seen in Redis has. A path without its group
 * covers nothing, and the receipt alone does not show it.
 *
 * @returns undefined if the group is there, or nothing is known
 */
export async function otherGroups(cache: FallbackCache, group: string): Promise<string | undefined> {
  // Without the permission to SCAN nothing is known.
  const page = await inspectorOf(cache)
    .page({ tier: 'redis', limit: EXAMINED })
    .catch(() => undefined)
  const responses = page?.entries.filter(({ kind }) => kind === 'response') ?? []
  const groups = new Set(responses.map(({ key }) => RESPONSE.exec(key)?.[1] ?? ''))
  if (responses.length === 0 || groups.has(group)) return undefined
  const given = group === '' ? 'is without a group' : `has the group "${group}"`
  const named = [...groups].slice(0, MOST_NAMED).map((name) => (name === '' ? 'no --group' : `--group ${name}`))
  return `none of the ${responses.length} responses seen in Redis ${given}; theirs: ${named.join(', ')}`
}
