import { isEverydayCookie } from './everyday-cookies.js'

/**
 * Every part of a Cookie field that a parser may read as the named cookie or its signature (`name.sig`), unchanged;
 * `null` if there is none. If two requests give equal results, every parser reads the same cookie from both, whichever
 * duplicate it uses and whether or not it splits at commas.
 *
 * @param name - `''` for all cookies except everyday ones
 */
export function cookieValue(field: string | undefined, name: string): string | null {
  if (field === undefined || !field.includes(name)) return null
  const parts = field.split(';').filter((part) => (name === '' ? !isEveryday(part) : mayHold(part, name)))
  return parts.length === 0 ? null : parts.map((part) => part.trim()).join(';')
}

function mayHold(part: string, name: string): boolean {
  if (!part.includes(name)) return false
  return part.split(',').some((pair) => {
    const equals = pair.indexOf('=')
    const own = (equals < 0 ? pair : pair.slice(0, equals)).trim()
    return own === name || own === `${name}.sig`
  })
}

function isEveryday(part: string): boolean {
  const equals = part.indexOf('=')
  const name = (equals < 0 ? part : part.slice(0, equals)).trim()
  return name === '' ? part.trim() === '' : !part.includes(',') && isEverydayCookie(name)
}
