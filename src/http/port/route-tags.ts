import { shown } from '../../core/option-checks.js'

/**
 * The tags that the `tags` option answered with; none for `undefined`.
 *
 * @throws TypeError for anything but a list of tags: a response that lacks one would outlive its invalidation
 */
export function listedTags(given: unknown): readonly string[] {
  if (given === undefined) return []
  if (!Array.isArray(given)) throw new TypeError(`tags must return a list of tags, got ${shown(given)}`)
  return given.map(tagText)
}

/**
 * A tag as text.
 *
 * @throws TypeError for anything but a string that is not empty, or a number: `invalidateTags` would refuse it
 */
export function tagText(tag: unknown): string {
  if (typeof tag === 'string' && tag !== '' && !HALF_PAIR.test(tag)) return tag
  if (typeof tag === 'bigint' || (typeof tag === 'number' && Number.isFinite(tag))) return String(tag)
  throw new TypeError(`a tag must be a string of well-formed Unicode that is not empty, got ${shown(tag)}`)
}

const HALF_PAIR = /\p{Surrogate}/u
