/** A cover of the log in readable form: `prefix shop:/products/1:, softly`. */
export function coverWords(cover: string): string {
  const isSoft = cover.startsWith('s')
  const hard = isSoft ? cover.slice(1) : cover
  const kind = KINDS[hard[0] ?? ''] ?? 'everything'
  const name = hard.slice(1)
  return `${kind}${name === '' ? '' : ` ${name}`}${isSoft ? ', softly' : ''}`
}

const KINDS: Readonly<Record<string, string>> = {
  k: 'key',
  p: 'prefix',
  i: 'prefix (any letter case)',
  t: 'tag',
  a: 'everything',
}
