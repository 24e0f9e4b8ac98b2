import { shown } from '../../core/option-checks.js'

/**
 * Validates the return value of the `tags` option; `undefined` means none.
 *
 * @throws TypeError for anything but a list of tags, because a response without its tag would survive an invalidation
 */
export function listedTags(given: unknown): readonly string[] {
  if (given === undefined) return []
  if (!Array.isArray(given)) throw new TypeError(`tags must return a list of tags, got ${shown(given)}`)
  return given.map(tagText)
}

/**
 * Converts a tag to text.
 *
 * @throws TypeError for anything but a non-empty string or a number, which `invalidateTags` would reject
 */
export function tagText(tag: unknown): string {
  if (typeof tag === 'string' && tag !== '' && !HALF_PAIR.test(tag)) return tag
  if (typeof tag === 'bigint' || (typeof tag === 'number' && Number.isFinite(tag))) return String(tag)
  throw new TypeError(`a tag must be a string of well-formed Unicode that is not empty, got ${shown(tag)}`)
}

const HALF_PAIR = /\p{Surrogate}/u
