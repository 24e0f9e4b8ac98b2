/** The pattern of SCAN for names that begin with a text, in which no character is special. */
export function literalPattern(prefix: string): string {
  return `${prefix.replace(/[*?[\]\\]/g, '\\$&')}*`
}
