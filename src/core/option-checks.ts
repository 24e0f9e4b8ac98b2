/** Refuses names nobody reads, and says which one was probably meant. @throws TypeError */
export function rejectUnknownOptions(options: object, known: readonly string[], owner: string): void {
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new TypeError(`options of ${owner} must be an object, got ${shown(options)}`)
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    const nearest = nearestName(name, known)
    throw new TypeError(
      `unknown option "${name}" of ${owner}${nearest === undefined ? '' : `; did you mean "${nearest}"?`}`,
    )
  }
}

/** An integer from 1. @throws RangeError */
export function positiveInteger(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`${name} must be a positive integer, got ${shown(value)}`)
  }
  return value
}

/** A finite number above 0. @throws RangeError */
export function positiveNumber(value: unknown, name: string, unit: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
    throw new RangeError(`${name} must be a positive number of ${unit}, got ${shown(value)}`)
  }
  return value
}

/** A number from `least` to `most`. @throws RangeError */
export function numberWithin(value: unknown, least: number, most: number, name: string): number {
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw new RangeError(`${name} must be a number from ${least} to ${most}, got ${shown(value)}`)
  }
  return value
}

/** One of a few words. @throws TypeError */
export function oneOf<T extends string>(value: unknown, words: readonly T[], name: string): T {
  const found = words.find((word) => word === value)
  if (found === undefined) {
    throw new TypeError(`${name} must be ${words.map((word) => `"${word}"`).join(' or ')}, got ${shown(value)}`)
  }
  return found
}

/** A function, or `undefined`. @throws TypeError */
export function callable<T>(value: T | undefined, name: string): T | undefined {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`${name} must be a function, got ${shown(value)}`)
  }
  return value
}

/** A string. @throws TypeError */
export function text(value: unknown, name: string): string {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string, got ${shown(value)}`)
  return value
}

/** How a value is shown in a message: short, and telling text from numbers. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}

/** The known name with the fewest edits, if it is near enough to be what was meant, or one that the name is part of. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  let nearest: string | undefined
  let fewest = Math.max(2, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const edits = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (edits < fewest) {
      fewest = edits
      nearest = candidate
    }
  }
  if (nearest !== undefined || name.length < 3) return nearest
  return known.find((candidate) => candidate.toLowerCase().includes(name.toLowerCase()))
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const replace = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(replace, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
