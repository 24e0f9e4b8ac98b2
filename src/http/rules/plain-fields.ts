import { CONDITIONAL_FIELDS } from './conditional.js'
import { isCredentialField } from './credentials.js'

/**
 * Whether a request field (name in any case) never affects whether a stored response is used or what is sent of it,
 * except as a selecting field. False for preconditions, ranges, directives, credentials, cookies, and fields that
 * announce a body.
 */
export function isPlainField(name: string): boolean {
  const known = NAMES.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  const answer = !TELLING.has(lower) && !lower.startsWith(':') && !isCredentialField(lower)
  // Bounded, because clients choose the names.
  if (NAMES.size >= 1_000) NAMES.clear()
  if (name.length <= 64) NAMES.set(name, answer)
  return answer
}

/** Recent results by name as written. */
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
