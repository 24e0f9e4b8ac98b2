/** A SCAN pattern that matches names starting with the given text, with special characters escaped. */
export function literalPattern(prefix: string): string {
  return `${prefix.replace(/[*?[\]\\]/g, '\\$&')}*`
}
