import { shown } from '../../core/option-checks.js'

/** Throws for a description of a request that `explain` cannot use. @throws TypeError that names the property */
export function checkDescription(description: object): void {
  const { url, method, headers, protocol, host } = description as Readonly<Record<string, unknown>>
  if (typeof url !== 'string' || !(url.startsWith('/') || url === '*' || isWholeUrl(url))) {
    throw new TypeError(
      `url must be a path such as "/products/1" or a whole URL, got ${shown(url)}: write explain({ url: "/products/1" })`,
    )
  }
  for (const [name, value] of Object.entries({ method, protocol, host })) {
    if (value !== undefined && (typeof value !== 'string' || value === '')) {
      throw new TypeError(`${name} of the request to explain must be a string, got ${shown(value)}`)
    }
  }
  if (headers === undefined) return
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers) || Symbol.iterator in headers) {
    throw new TypeError(
      `headers of the request to explain must be an object such as { "accept-language": "de" }, got ${shown(headers)}; of a Headers object: Object.fromEntries(headers)`,
    )
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || [value].flat().every((one) => typeof one === 'string')) continue
    throw new TypeError(`headers[${shown(name)}] must be a string or a list of strings, got ${shown(value)}`)
  }
}

function isWholeUrl(url: string): boolean {
  return /^https?:\/\//i.test(url) && URL.canParse(url)
}
