import { listMembers } from './fields.js'

/** The name for "no coding" in Accept-Encoding (RFC 9110, section 12.5.3). */
export const IDENTITY = 'identity'

/**
 * Selects the available content coding with the highest weight in Accept-Encoding (RFC 9110, section 12.5.3). Among
 * equal weights the first of `available` wins, and any coding wins over identity. Returns `'identity'` if no coding is
 * acceptable, even if identity is refused too, because an unencoded response is more useful to a client than an error.
 *
 * @param acceptEncoding - the field's value; `undefined` if the field is absent, which means no preference
 * @param available - in lower case, best first, without identity
 */
export function preferredCoding(acceptEncoding: string | undefined, available: readonly string[]): string {
  if (acceptEncoding === undefined) return IDENTITY
  const weights = weightsIn(acceptEncoding)
  let best = IDENTITY
  let weight = weightOf(IDENTITY, weights)
  for (const coding of available) {
    const other = weightOf(coding, weights)
    if (other === 0 || other < weight || (other === weight && best !== IDENTITY)) continue
    best = coding
    weight = other
  }
  return best
}

/**
 * Whether a client accepts a response without content coding: true unless the field excludes it (RFC 9110, section
 * 12.5.3).
 */
export function acceptsIdentity(acceptEncoding: string | undefined): boolean {
  return acceptEncoding === undefined || weightOf(IDENTITY, weightsIn(acceptEncoding)) > 0
}

type Weights = ReadonlyMap<string, number>

function weightOf(coding: string, weights: Weights): number {
  return weights.get(coding) ?? weights.get('*') ?? (coding === IDENTITY ? LEAST : 0)
}

/** The weight of identity if the field does not mention it: acceptable, but less preferred than every named coding. */
const LEAST = Number.MIN_VALUE

/** Parsed field values, cached because most clients send one of a few values. */
const SEEN = new Map<string, Weights>()
const MEMORY = 512
const MAX_LENGTH = 512

function weightsIn(acceptEncoding: string): Weights {
  const known = SEEN.get(acceptEncoding)
  if (known !== undefined) return known
  const weights = parseWeights(acceptEncoding)
  if (acceptEncoding.length <= MAX_LENGTH) {
    if (SEEN.size >= MEMORY) SEEN.clear()
    SEEN.set(acceptEncoding, weights)
  }
  return weights
}

/**
 * Parses the field into weights by lower-case name. A repeated coding gets its highest weight; malformed members are
 * skipped.
 */
function parseWeights(acceptEncoding: string): Weights {
  const weights = new Map<string, number>()
  for (const member of listMembers(acceptEncoding)) {
    const match = /^([^\s;]+)(?:[ \t]*;[ \t]*q=([01](?:\.\d{0,3})?)[ \t]*)?$/i.exec(member)
    const weight = Number(match?.[2] ?? 1)
    if (match?.[1] === undefined || weight > 1) continue
    const name = match[1].toLowerCase()
    // x-gzip is an alias of gzip (RFC 9110, section 8.4.1.3).
    const coding = name === 'x-gzip' ? 'gzip' : name
    weights.set(coding, Math.max(weight, weights.get(coding) ?? 0))
  }
  return weights
}
