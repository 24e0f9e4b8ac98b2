/** So many pages, each once, with neighbours far from each other. */
export function uniform(keys: number): readonly string[] {
  return Array.from({ length: keys }, (_, at) => `/page/${keys === 1 ? 1 : (at * 7919) % keys}`)
}
