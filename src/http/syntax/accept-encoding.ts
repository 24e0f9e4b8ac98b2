import { listMembers } from './fields.js'

/** The name of no coding at all, as Accept-Encoding has it (RFC 9110, section 12.5.3). */
export const IDENTITY = 'identity'

/**
 * The content coding that a client likes best among those that are there, or `'identity'`: by weight; of equal ones the first of
 * `available`, and any of them before identity (RFC 9110, section 12.5.3). Also `'identity'` when nothing at all is acceptable: a
 * client can do more with it than with an error.
 *
 * @param acceptEncoding - the field's value; `undefined`: it is absent, and the client has no preference
 * @param available - in lower case, best first; identity need not be named
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

/** Whether a client takes a response without content coding: it does unless it says so (RFC 9110, section 12.5.3). */
export function acceptsIdentity(acceptEncoding: string | undefined): boolean {
  return acceptEncoding === undefined || weightOf(IDENTITY, weightsIn(acceptEncoding)) > 0
}

type Weights = ReadonlyMap<string, number>

function weightOf(coding: string, weights: Weights): number {
  return weights.get(coding) ?? weights.get('*') ?? (coding === IDENTITY ? LEAST : 0)
}

/** What nobody spoke of is acceptable without a coding, and less welcome than all that is named. */
const LEAST = Number.MIN_VALUE

/** Fields seen lately: every browser of a kind sends the same. */
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

/** Names in lower case. Of a coding named twice the higher weight counts, a member that cannot be read does not. */
function parseWeights(acceptEncoding: string): Weights {
  const weights = new Map<string, number>()
  for (const member of listMembers(acceptEncoding)) {
    const match = /^([^\s;]+)(?:[ \t]*;[ \t]*q=([01](?:\.\d{0,3})?)[ \t]*)?$/i.exec(member)
    const weight = Number(match?.[2] ?? 1)
    if (match?.[1] === undefined || weight > 1) continue
    const name = match[1].toLowerCase()
    // Section 8.4.1.3: the same, under an older name.
    const coding = name === 'x-gzip' ? 'gzip' : name
    weights.set(coding, Math.max(weight, weights.get(coding) ?? 0))
  }
  return weights
}
