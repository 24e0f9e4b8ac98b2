import type { Arguments } from './arguments.js'
import { UsageError } from './errors.js'

/** Base URLs of processes, in order. @throws UsageError */
export function readBaseUrls(urls: readonly string[]): readonly string[] {
  for (const url of urls) {
    if (!isHttpUrl(url)) throw new UsageError(`a base URL must be like http://10.0.0.1:3000, got "${url}"`)
  }
  return urls
}

export function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text)
}

/** A URL of the Web as it may be shown: its login is masked. */
export function shownUrl(text: string): string {
  if (!URL.canParse(text)) return text
  const url = new URL(text)
  if (url.username === '' && url.password === '') return text
  return `${url.protocol}//***@${url.host}${url.pathname}${url.search}`
}

/** The fields of `--header "name: value"`, by lower-case name. @throws UsageError */
export function readFields(given: Arguments): Readonly<Record<string, string>> {
  return Object.fromEntries(given.texts('header').map(fieldOf))
}

function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(':')
  const [name, value] = [line.slice(0, Math.max(0, colon)).trim(), line.slice(colon + 1).trim()]
  // The value may be a secret.
  if (!/^[\w!#$%&'*+\-.^`|~]+$/.test(name)) throw new UsageError('--header must be "name: value"')
  if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) throw new UsageError(`--header ${name} has a value that cannot be sent`)
  return [name.toLowerCase(), value]
}
