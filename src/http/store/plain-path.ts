/**
 * Normalizes the spelling of a path to the text used in keys, which prefixes match. Only characters that cannot occur
 * in a path are escaped (RFC 3986, section 6.2.2.2).
 *
 * An escaped slash becomes a slash, and a doubly escaped character (`%2541`) a singly escaped one (`%41`), so that a
 * path with a decoded id equals the path that clients send for it. Different spellings remain different responses,
 * because the hash and the identity contain the path as received.
 *
 * @param encoding - the encoding of non-ASCII characters: bytes in a request target, text elsewhere
 */
export function plainPath(path: string, encoding: 'latin1' | 'utf8'): string {
  if (PLAIN.test(path)) return path
  return path.replace(ESCAPE, unescaped).replace(FORBIDDEN, (text) => escaped(Buffer.from(text, encoding)))
}

/** Whether {@link plainPath} leaves a text as it is, so that it has no query, either. */
export function isPlainPath(text: string): boolean {
  return PLAIN.test(text)
}

/** Escapes a text as part of one segment, so that all characters are taken literally. */
export function segmentOf(text: string): string {
  return text.replace(DELIMITER, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** Removes the trailing slash of a path, which routers ignore. */
export function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}

const PLAIN = /^[\w\-.~!$&'()*+,;=:@/]*$/

/** A percent sign, escaped any number of times, with the character it escapes. */
const ESCAPE = /%(?:25)*([0-9a-f]{2})?/gi

const FORBIDDEN = /[^\w\-.~!$&'()*+,;=:@/%]+/g

const DELIMITER = /[%?#]/g

/** Decodes a character that a path may contain literally; other escapes get upper-case digits. */
function unescaped(_escape: string, digits: string | undefined): string {
  if (digits === undefined) return '%25'
  const character = String.fromCharCode(Number.parseInt(digits, 16))
  return PLAIN.test(character) ? character : `%${digits.toUpperCase()}`
}

function escaped(bytes: Buffer): string {
  return bytes.toString('hex').toUpperCase().replace(/../g, '%$&')
}
