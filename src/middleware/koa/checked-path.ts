/** Checks the path of an endpoint. @throws TypeError for one that does not begin with a slash, or ends with one */
export function checkedPath(path: unknown, example: string): void {
  if (typeof path === 'string' && /^(\/[^/?#]+)+$/.test(path)) return
  throw new TypeError(`path must begin with a slash and not end with one, such as '${example}', got ${String(path)}`)
}
