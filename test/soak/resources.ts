/** What the application of the soak test has: values under keys, and responses under paths. */
const GROUPS = ['a', 'b', 'c'] as const
const NUMBERS = [1, 2, 3, 4, 5, 6] as const

/** Keys of values, such as `item:a:1`. */
export const valueKeys: readonly string[] = GROUPS.flatMap((group) => NUMBERS.map((n) => `item:${group}:${n}`))

/** Paths of responses, such as `/items/a/1`. */
export const paths: readonly string[] = GROUPS.flatMap((group) => NUMBERS.map((n) => `/items/${group}/${n}`))

const resources: readonly string[] = [...valueKeys, ...paths]

/** The tags of a value or of a response. */
export function tagsOf(resource: string): string[] {
  return [Number(resource.at(-1)) % 2 === 0 ? 'even' : 'odd']
}

/** What a write of the soak test invalidates, and how. */
export type Cover =
  | { readonly kind: 'key'; readonly name: string }
  | { readonly kind: 'prefix'; readonly name: string }
  | { readonly kind: 'tag'; readonly name: string }
  | { readonly kind: 'all' }
  /** `invalidate(path)` of the middleware. */
  | { readonly kind: 'path'; readonly name: string }
  /** A PUT that succeeds. */
  | { readonly kind: 'put'; readonly name: string }

/** What a write changes. Written down once more, so that the library is not judged by itself. */
export function reach(cover: Cover): readonly string[] {
  switch (cover.kind) {
    case 'key':
    case 'put':
      return [cover.name]
    case 'prefix':
      return valueKeys.filter((key) => key.startsWith(cover.name))
    case 'tag':
      return resources.filter((resource) => tagsOf(resource).includes(cover.name))
    case 'all':
      return resources
    case 'path':
      return paths.filter((path) => path === cover.name || path.startsWith(`${cover.name}/`))
  }
}

/** As it stands in a trace. */
export function coverText(cover: Cover): string {
  return cover.kind === 'all' ? 'all' : `${cover.kind} ${cover.name}`
}
