/**
 * A path as all spellings of it share it: the text in keys, by which prefixes reach what is stored. Escaped is what cannot be part of a path
 * as it is, and nothing else (RFC 3986, section 6.2.2.2).
 *
 * An escaped slash is a slash here, and an escape of an escape (`%2541`) is the escape (`%41`): so a path with a decoded id and the path
 * that clients make of it are one. Responses are told apart by the path as it came, which is part of the hash and of the identity.
 *
 * @param encoding - what characters beyond ASCII mean: bytes in the target of a request, text elsewhere
 */
export function plainPath(path: string, encoding: 'latin1' | 'utf8'): string {
  if (PLAIN.test(path)) return path
  return path.replace(ESCAPE, unescaped).replace(FORBIDDEN, (text) => escaped(Buffer.from(text, encoding)))
}

/** A text as a part of one segment, all of whose characters mean themselves. */
export function segmentOf(text: string): string {
  return text.replace(DELIMITER, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** A path without the slash at its end, which routers do not look at. */
export function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

const PLAIN = /^[\w\-.~!$&'()*+,;=:@/]*$/

/** A percent sign, escaped any number of times, and what it escapes. */
const ESCAPE = /%(?:25)*([0-9a-f]{2})?/gi

const FORBIDDEN = /[^\w\-.~!$&'()*+,;=:@/%]+/g

const DELIMITER = /[%?#]/g

/** What a path may contain as it is stays so; all else in upper case. */
function unescaped(_escape: string, digits: string | undefined): string {
  if (digits === undefined) return '%25'
  const character = String.fromCharCode(Number.parseInt(digits, 16))
  return PLAIN.test(character) ? character : `%${digits.toUpperCase()}`
}

function escaped(bytes: Buffer): string {
  return bytes.toString('hex').toUpperCase().replace(/../g, '%$&')
}
