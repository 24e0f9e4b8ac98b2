/** A piece of a Lua script: a name, a keyword or a sign as they are, a number, or a text without its quotes. */
export interface Token {
  readonly kind: 'name' | 'word' | 'sign' | 'number' | 'text' | 'end'
  readonly text: string
}

const words: ReadonlySet<string> = new Set(
  'and break do else elseif end false for function if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
)

const piece = /\s+|([A-Za-z_]\w*)|(\d+(?:\.\d+)?)|'((?:[^'\\]|\\.)*)'|(\.\.|==|~=|<=|>=|[-+*/%#<>=(){}[\],.;:])/y

/** The pieces of a script, as far as Lua is used here: no comments, no long brackets. @throws SyntaxError */
export function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = []
  piece.lastIndex = 0
  while (piece.lastIndex < source.length) {
    const at = piece.lastIndex
    const [, name, number, text, sign] = piece.exec(source) ?? []
    if (piece.lastIndex <= at) throw new SyntaxError(`not understood in a Lua script: ${source.slice(at, at + 40)}`)
    if (name !== undefined) tokens.push({ kind: words.has(name) ? 'word' : 'name', text: name })
    else if (number !== undefined) tokens.push({ kind: 'number', text: number })
    else if (text !== undefined) tokens.push({ kind: 'text', text: unescaped(text) })
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign })
  }
  return [...tokens, { kind: 'end', text: '' }]
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_all, letter: string) => (letter === 'n' ? '\n' : letter))
}
