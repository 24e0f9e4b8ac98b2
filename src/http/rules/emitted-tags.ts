/** The fields by which CDNs and Varnish read tags, and what separates tags in them. */
export const TAG_FIELDS = ['Surrogate-Key', 'xkey', 'Cache-Tag', 'Edge-Cache-Tag'] as const

/** A field by which a CDN reads tags. */
export type TagField = (typeof TAG_FIELDS)[number]

/** Maximum length of the field, in bytes: the default of Varnish for a field is 8 KiB, those of CDNs are 16 KB. */
const LONGEST = 8000

/** Maximum length of a tag, in bytes. */
const LONGEST_TAG = 1024

/** The value of a field with tags. */
export interface EmittedTags {
  /** `''` if no tag can be sent. */
  readonly value: string
  /** Tags that the field cannot hold: too long, too many, or with characters that separate tags or are not ASCII. */
  readonly omitted: readonly string[]
}

/** Writes tags as the value of a field. */
export function emittedTags(field: TagField, tags: readonly string[]): EmittedTags {
  const separator = field === 'Surrogate-Key' || field === 'xkey' ? ' ' : ','
  const form = separator === ' ' ? /^[\x21-\x7e]+$/ : /^[\x21-\x2b\x2d-\x7e]+$/
  const omitted: string[] = []
  let value = ''
  for (const tag of tags) {
    const longer = value === '' ? tag : value + separator + tag
    if (tag.length <= LONGEST_TAG && longer.length <= LONGEST && form.test(tag)) value = longer
    else omitted.push(tag)
  }
  return { value, omitted }
}
