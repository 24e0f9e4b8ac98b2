import { type Token, tokensOf } from './lua-tokens.js'

/**
 * Writes a Lua script down as the body of a JavaScript function, which finds `library` as `L` and what has a global name by
 * `G(name)`. Knows the part of Lua that the scripts of the library use; anything else is an error. @throws SyntaxError
 */
export function compile(source: string): string {
  return new Compiler(tokensOf(source)).script()
}

/** How tightly operators bind, and whether they group to the right. */
const binary: Readonly<Record<string, number>> = {
  or: 1,
  and: 2,
  '<': 3,
  '>': 3,
  '<=': 3,
  '>=': 3,
  '~=': 3,
  '==': 3,
  '..': 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
}
const unary = 7

class Compiler {
  readonly #tokens: readonly Token[]
  #at = 0
  #names = 0
  /** The JavaScript name of each local variable, the innermost block last. */
  readonly #scopes: Map<string, string>[] = []
  /** Variables for values in between, of the function that is being written. */
  #spare: string[] = []

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  script(): string {
    const body = this.#body([])
    if (this.#token.kind !== 'end') this.#fail()
    return body
  }

  /** The block of a function, which has variables of its own. */
  #body(parameters: readonly (readonly [string, string])[]): string {
    const outer = this.#spare
    this.#spare = []
    const block = this.#block(new Map(parameters))
    const spare = this.#spare.length === 0 ? '' : `let ${this.#spare.join(', ')};`
    this.#spare = outer
    return spare + block
  }

  #block(names = new Map<string, string>()): string {
    this.#scopes.push(names)
    const lines: string[] = []
    while (!this.#endsBlock()) lines.push(this.#statement())
    this.#scopes.pop()
    return lines.join('\n')
  }

  #endsBlock(): boolean {
    const { kind, text } = this.#token
    return kind === 'end' || (kind === 'word' && ['end', 'else', 'elseif', 'until'].includes(text))
  }

  #statement(): string {
    if (this.#takes(';')) return ''
    if (this.#takes('local')) return this.#takes('function') ? this.#function() : this.#local()
    if (this.#takes('if')) return this.#if()
    if (this.#takes('for')) return this.#for()
    if (this.#takes('while')) {
      const condition = this.#condition()
      this.#expect('do')
      return `while (${condition}) {${this.#blockToEnd()}}`
    }
    if (this.#takes('do')) return `{${this.#blockToEnd()}}`
    if (this.#takes('return')) return this.#endsBlock() ? 'return;' : `return ${this.#expression()};`
    return this.#assignmentOrCall()
  }

  #blockToEnd(names?: Map<string, string>): string {
    const block = this.#block(names)
    this.#expect('end')
    return block
  }

  #function(): string {
    const name = this.#declare(this.#name())
    this.#expect('(')
    const parameters: [string, string][] = []
    while (!this.#takes(')')) {
      const parameter = this.#name()
      parameters.push([parameter, this.#fresh(parameter)])
      this.#takes(',')
    }
    const body = this.#body(parameters)
    this.#expect('end')
    return `const ${name} = (${parameters.map(([, fresh]) => fresh).join(', ')}) => {${body}};`
  }

  #local(): string {
    const names = [this.#name()]
    while (this.#takes(',')) names.push(this.#name())
    if (!this.#takes('=')) return `let ${names.map((name) => this.#declare(name)).join(', ')};`
    const values = this.#list()
    // A new variable is none of its own value.
    const fresh = names.map((name) => this.#declare(name))
    const [only] = values
    if (values.length === 1 && names.length > 1 && only !== undefined) {
      if (!only.startsWith(match)) this.#fail()
      return `let [${fresh.join(', ')}] = ${only.slice(0, -first.length)};`
    }
    return `let ${fresh.map((name, index) => `${name} = ${values[index] ?? 'undefined'}`).join(', ')};`
  }

  #if(): string {
    let text = `if (${this.#condition()}) {`
    this.#expect('then')
    for (;;) {
      text += this.#block()
      if (this.#takes('elseif')) {
        text += `} else if (${this.#condition()}) {`
        this.#expect('then')
      } else if (this.#takes('else')) text += '} else {'
      else break
    }
    this.#expect('end')
    return `${text}}`
  }

  #for(): string {
    const name = this.#name()
    this.#expect('=')
    const from = this.#expression()
    this.#expect(',')
    const to = this.#expression()
    // Upwards, by a number that is written down.
    const step = this.#takes(',') ? this.#expression() : '1'
    if (!/^[1-9]\d*$/.test(step)) this.#fail()
    this.#expect('do')
    const [fresh, end] = [this.#fresh(name), this.#fresh('end')]
    const block = this.#blockToEnd(new Map([[name, fresh]]))
    return `for (let ${fresh} = L.number(${from}), ${end} = L.number(${to}); ${fresh} <= ${end}; ${fresh} += ${step}) {${block}}`
  }

  #assignmentOrCall(): string {
    const targets = [this.#suffixed()]
    while (this.#takes(',')) targets.push(this.#suffixed())
    if (!this.#takes('=')) {
      if (targets.length > 1 || !targets[0]?.isCall) this.#fail()
      return `${targets[0]?.text};`
    }
    const values = this.#list()
    if (values.length !== targets.length) this.#fail()
    // All values are there before the first one is assigned.
    const held = values.map((value) => `${this.#hold()} = ${value};`)
    const assigned = targets.map(({ text, of }, index) => {
      const value = held[index]?.slice(0, held[index].indexOf(' ='))
      return of === undefined ? `${text} = ${value};` : `L.set(${of[0]}, ${of[1]}, ${value});`
    })
    return [...held, ...assigned].join(' ')
  }

  #list(): string[] {
    const values = [this.#expression()]
    while (this.#takes(',')) values.push(this.#expression())
    return values
  }

  #condition(): string {
    return `L_is(${this.#expression()})`
  }

  #expression(least = 0): string {
    let left = this.#operand()
    for (;;) {
      const { kind, text } = this.#token
      const strength = kind === 'word' || kind === 'sign' ? binary[text] : undefined
      if (strength === undefined || strength <= least) return left
      this.#at++
      const right = this.#expression(text === '..' ? strength - 1 : strength)
      left = this.#operation(text, left, right)
    }
  }

  #operation(sign: string, left: string, right: string): string {
    switch (sign) {
      case 'or':
      case 'and': {
        const held = this.#hold()
        return sign === 'or'
          ? `(L_is(${held} = ${left}) ? ${held} : ${right})`
          : `(L_is(${held} = ${left}) ? ${right} : ${held})`
      }
      case '==':
        return `(${left} === ${right})`
      case '~=':
        return `(${left} !== ${right})`
      case '..':
        return `L.join(${left}, ${right})`
      case '<':
        return `L.isLess(${left}, ${right})`
      case '>':
        return `L.isLess(${right}, ${left})`
      case '<=':
        return `!L.isLess(${right}, ${left})`
      case '>=':
        return `!L.isLess(${left}, ${right})`
      default:
        return `(L.number(${left}) ${sign} L.number(${right}))`
    }
  }

  #operand(): string {
    if (this.#takes('not')) return `!L_is(${this.#expression(unary)})`
    if (this.#takes('#')) return `L.size(${this.#expression(unary)})`
    if (this.#takes('-')) return `(-L.number(${this.#expression(unary)}))`
    if (this.#takes('nil')) return 'undefined'
    if (this.#takes('true')) return 'true'
    if (this.#takes('false')) return 'false'
    if (this.#takes('{')) return this.#table()
    const { kind, text } = this.#token
    if (kind === 'number' || kind === 'text') {
      this.#at++
      return kind === 'number' ? text : JSON.stringify(text)
    }
    return this.#suffixed().text
  }

  #table(): string {
    const list: string[] = []
    const fields: string[] = []
    while (!this.#takes('}')) {
      const next = this.#tokens[this.#at + 1]
      if (this.#token.kind === 'name' && next?.kind === 'sign' && next.text === '=') {
        const name = this.#name()
        this.#expect('=')
        fields.push(`[${JSON.stringify(name)}, ${this.#expression()}]`)
      } else list.push(this.#expression())
      this.#takes(',')
    }
    return fields.length === 0
      ? `new L.Table([${list.join(', ')}])`
      : `L_table([${list.join(', ')}], [${fields.join(', ')}])`
  }

  /** A name or something in parentheses, with what follows it: fields, items, calls. */
  #suffixed(): { readonly text: string; readonly isCall: boolean; readonly of?: readonly [string, string] } {
    let text: string
    let path = ''
    let isCall = false
    let of: readonly [string, string] | undefined
    if (this.#takes('(')) {
      text = `(${this.#expression()})`
      this.#expect(')')
    } else {
      path = this.#name()
      text = this.#known(path) ?? `G(${JSON.stringify(path)})`
    }
    for (;;) {
      const isField = this.#takes('.')
      if (isField || this.#takes('[')) {
        const name = isField ? JSON.stringify(this.#name()) : this.#expression()
        if (!isField) this.#expect(']')
        path = isField ? `${path}.${JSON.parse(name)}` : ''
        of = [text, name]
        text = `L.get(${text}, ${name})`
        isCall = false
      } else if (this.#takes('(')) {
        const args = this.#takes(')') ? [] : this.#list()
        if (args.length > 0) this.#expect(')')
        text =
          path === 'string.match'
            ? `${match}${args.join(', ')})${first}`
            : `L.call(${[text, JSON.stringify(path), ...args].join(', ')})`
        of = undefined
        isCall = true
        path = ''
      } else return of === undefined ? { text, isCall } : { text, isCall, of }
    }
  }

  #known(name: string): string | undefined {
    return this.#scopes.findLast((scope) => scope.has(name))?.get(name)
  }

  #declare(name: string): string {
    const fresh = this.#fresh(name)
    this.#scopes.at(-1)?.set(name, fresh)
    return fresh
  }

  #fresh(name: string): string {
    return `${name}$${++this.#names}`
  }

  #hold(): string {
    const name = this.#fresh('held')
    this.#spare.push(name)
    return name
  }

  get #token(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '' }
  }

  #name(): string {
    const { kind, text } = this.#token
    if (kind !== 'name') this.#fail()
    this.#at++
    return text
  }

  #takes(text: string): boolean {
    const token = this.#token
    if ((token.kind !== 'word' && token.kind !== 'sign') || token.text !== text) return false
    this.#at++
    return true
  }

  #expect(text: string): void {
    if (!this.#takes(text)) this.#fail()
  }

  #fail(): never {
    const near = this.#tokens.slice(Math.max(0, this.#at - 5), this.#at + 3)
    throw new SyntaxError(`not understood in a Lua script: ${near.map(({ text }) => text).join(' ')}`)
  }
}

const match = 'L.match('
/** Where one value is wanted of those that a match gives. */
const first = '[0]'
