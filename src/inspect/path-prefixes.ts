import { namedPaths } from '../http/store/named-paths.js'
import { prefixesOfPath } from '../http/store/primary-key.js'

/**
 * The prefixes of keys that `invalidate(path)` of a middleware covers, to be compared without regard to letter case.
 *
 * @param group - the option `group`; `''` for none
 * @throws TypeError for a text that is no path, or looks like a pattern
 */
export function prefixesBelow(group: string, path: string): readonly string[] {
  const begin = group === '' ? '' : `${group}:`
  return (namedPaths([path]) ?? []).flatMap((one) => prefixesOfPath(begin, one))
}
