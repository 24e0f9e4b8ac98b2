/**
 * The text of an object that cannot be compared, such as an instance of a class: the same for the same object only.
 * `undefined` if no run has read it.
 */
export function tokenOf(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null ? TOKENS.get(value) : undefined
}

/**
 * Notes that a run has read such an object, and returns its text; `undefined` if it is a new object under a name that had
 * another one before: then middleware probably makes one for each request, and no other request would have the same.
 *
 * @param met - the names under which objects were read before
 */
export function meetObject(met: Set<string> | undefined, input: string, value: object): string | undefined {
  const known = TOKENS.get(value)
  if (known !== undefined) return known
  made += 1
  const token = `object ${STARTED} ${made}`
  TOKENS.set(value, token)
  if (met === undefined || met.has(input) || met.size >= MOST_NAMES) return undefined
  met.add(input)
  return token
}

const TOKENS = new WeakMap<object, string>()

/** Other processes have other objects, and so has another copy of this module. */
const STARTED = crypto.randomUUID()
let made = 0

/** Applications choose the names. */
const MOST_NAMES = 1_000
