let placesLeft = 8

/**
 * The application's line of code that called the library. Only the first few are determined, because a stack trace takes
 * microseconds; `undefined` afterwards, and in a bundle that has the application and the library in one file.
 */
export function placeInCode(): string | undefined {
  if (placesLeft === 0) return undefined
  placesLeft -= 1
  return placeIn(new Error().stack ?? '')
}

/** @param stack - its first line of code is in the library */
export function placeIn(stack: string): string | undefined {
  const lines = stack.split('\n').slice(1)
  const own = fileOf(lines[0])
  const line = lines.find(
    (one) =>
      fileOf(one) !== own && !OWN_CODE.test(one) && !one.includes('node:internal') && !one.includes('<anonymous>'),
  )
  return line?.trim().replace(/^at /, '')
}

/** The path in a line of a stack, without the numbers of line and column at its end. */
function fileOf(line = ''): string {
  const start = Math.max(line.lastIndexOf('('), line.lastIndexOf(' ')) + 1
  return line.slice(start).split(':').slice(0, -2).join(':')
}

const OWN_CODE = /[\\/]fallback-cache[\\/]dist[\\/]|inputs-read\.|watched-fields\.|watched-request\./
