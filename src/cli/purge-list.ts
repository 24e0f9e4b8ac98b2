import { prefixesBelow } from '../inspect/index.js'
import type { Arguments } from './arguments.js'
import { UsageError } from './errors.js'
import { isHttpUrl } from './http-options.js'

/** The entries to invalidate. */
export interface PurgeList {
  /** Prefixes of the keys of paths, compared case-insensitively. */
  readonly paths: readonly string[]
  readonly prefixes: readonly string[]
  readonly tags: readonly string[]
  readonly isAll: boolean
}

/** Maximum number of names: for more, one tag or prefix is better. */
const MOST_NAMES = 10_000

/** Reads the entries to invalidate from the arguments. @throws UsageError */
export function readPurgeList(given: Arguments, lines: readonly string[]): PurgeList {
  for (const option of ['path', 'prefix', 'tag']) {
    if (given.texts(option).includes('')) throw new UsageError(`--${option} must not be empty`)
  }
  const named = [
    ...given.texts('path').map((path) => `path ${path}`),
    ...given.texts('prefix').map((prefix) => `prefix ${prefix}`),
    ...given.texts('tag').map((tag) => `tag ${tag}`),
    ...lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#')),
  ]
  if (named.length > MOST_NAMES) throw new UsageError(`${named.length} names are too many: use a tag, or a prefix`)
  const found = { paths: new Set<string>(), prefixes: new Set<string>(), tags: new Set<string>() }
  const group = given.text('group') ?? ''
  for (const line of named) {
    const [, kind = 'path', name = ''] = /^(?:(path|prefix|tag) )?(.+)$/su.exec(line) ?? []
    if (kind === 'tag') found.tags.add(name)
    else if (kind === 'prefix') found.prefixes.add(name)
    else for (const prefix of prefixesOf(group, name)) found.paths.add(prefix)
  }
  const isAll = given.has('all')
  if (named.length === 0 && !isAll)
    throw new UsageError('nothing to invalidate: give --path, --prefix, --tag, --file or --all')
  return { paths: [...found.paths], prefixes: [...found.prefixes], tags: [...found.tags], isAll }
}

function prefixesOf(group: string, text: string): readonly string[] {
  const path = isHttpUrl(text) ? new URL(text).pathname : text
  try {
    return prefixesBelow(group, path)
  } catch (thrown) {
    if (!(thrown instanceof TypeError)) throw thrown
    if (!thrown.message.includes('looks like a pattern')) throw new UsageError(thrown.message)
    throw new UsageError(`${text} looks like a pattern, and there are none: name the path, or use --prefix or --tag`)
  }
}
