/** What every candidate is asked to serve: `GET /page/<id>`, a JSON text of so many bytes. */
export interface Page {
  readonly id: string
  readonly text: string
}

/** The page of an id; `size` is the length of its JSON, in bytes. */
export function pageOf(id: string, size: number): Page {
  const empty = JSON.stringify({ id, text: '' }).length
  return { id, text: `${id}-lorem-ipsum-dolor-`.repeat(Math.ceil(size / 16)).slice(0, Math.max(0, size - empty)) }
}

/** The id in a path such as `/page/17`. */
export function idOf(path: string): string {
  return path.slice('/page/'.length)
}
