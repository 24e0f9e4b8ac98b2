import { CONDITIONAL_FIELDS } from './conditional.js'
import { isCredentialField } from './credentials.js'

/**
 * Whether a request field, by its name in any case, never has a say in whether a stored response answers the request and in what
 * is sent of it, but for those by which responses vary. Conditions, ranges, directives, credentials, cookies, and what announces a
 * body have one.
 */
export function isPlainField(name: string): boolean {
  const known = NAMES.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  const answer = !TELLING.has(lower) && !lower.startsWith(':') && !isCredentialField(lower)
  // Bounded: names are up to clients.
  if (NAMES.size >= 1_000) NAMES.clear()
  if (name.length <= 64) NAMES.set(name, answer)
  return answer
}

/** Names seen lately, as they were written. */
const NAMES = new Map<string, boolean>()

const TELLING: ReadonlySet<string> = new Set([
  ...CONDITIONAL_FIELDS,
  'authorization',
  'cache-control',
  'content-length',
  'cookie',
  'expect',
  'pragma',
  'transfer-encoding',
  'upgrade',
])
