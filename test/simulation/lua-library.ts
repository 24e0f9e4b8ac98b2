import { ErrorReply } from './keyspace.js'

/** A value of a script. Texts hold a byte in each character; nil is `undefined`. */
export type LuaValue = undefined | boolean | number | string | Table | LuaFunction

type LuaFunction = (...args: LuaValue[]) => LuaValue

/** A table: its list, and what it holds by name. */
export class Table {
  readonly list: LuaValue[]
  readonly fields = new Map<string, LuaValue>()

  constructor(list: LuaValue[] = []) {
    this.list = list
  }
}

/** What operators and the standard functions do, with the errors of Lua where it would give one. */
export const library = {
  Table,

  get(table: LuaValue, name: LuaValue): LuaValue {
    if (!(table instanceof Table)) throw failure(`attempt to index a ${typeOf(table)} value (${String(name)})`)
    return typeof name === 'number' ? table.list[name - 1] : table.fields.get(String(name))
  },

  set(table: LuaValue, name: LuaValue, value: LuaValue): void {
    if (!(table instanceof Table)) throw failure(`attempt to index a ${typeOf(table)} value`)
    if (typeof name !== 'number') table.fields.set(String(name), value)
    else if (name >= 1 && name <= table.list.length + 1) table.list[name - 1] = value
    else throw failure(`a list with a gap at ${name}`)
  },

  size(value: LuaValue): number {
    if (typeof value === 'string') return value.length
    if (value instanceof Table) return value.list.length
    throw failure(`attempt to get length of a ${typeOf(value)} value`)
  },

  number(value: LuaValue): number {
    const number = toNumber(value)
    if (number === undefined) throw failure(`attempt to perform arithmetic on a ${typeOf(value)} value`)
    return number
  },

  join(left: LuaValue, right: LuaValue): string {
    return textOf(left) + textOf(right)
  },

  isLess(left: LuaValue, right: LuaValue): boolean {
    if (typeof left === 'number' && typeof right === 'number') return left < right
    if (typeof left === 'string' && typeof right === 'string') return left < right
    throw failure(`attempt to compare ${typeOf(left)} with ${typeOf(right)}`)
  },

  call(called: LuaValue, name: string, ...args: LuaValue[]): LuaValue {
    if (typeof called !== 'function') throw failure(`attempt to call ${name}, a ${typeOf(called)} value`)
    return called(...args)
  },

  /** `string.match`, the only function here that gives several values. */
  match(text: LuaValue, pattern: LuaValue): readonly LuaValue[] {
    const found = regExpOf(textOf(pattern)).exec(textOf(text))
    if (found === null) return []
    return found.length === 1 ? [found[0]] : found.slice(1)
  },
}

/** What scripts find by name: the part of the standard library that they use. */
export const globals: Readonly<Record<string, LuaValue>> = {
  type: typeOf,
  error: (value) => {
    const told = value instanceof Table ? value.fields.get('err') : value
    throw new ErrorReply(textOf(told))
  },
  tonumber: toNumber,
  string: tableOf({
    sub: (text, from, to = -1) => {
      const whole = textOf(text)
      const end = Number(to)
      return whole.slice(Number(from) - 1, end < 0 ? whole.length + end + 1 : end)
    },
    find: (text, sought, from, isPlain) => {
      if (isPlain !== true) throw failure('string.find by a pattern')
      const at = textOf(text).indexOf(textOf(sought), Number(from) - 1)
      return at < 0 ? undefined : at + 1
    },
    format: (format, value) => {
      if (format !== '%.0f' && format !== '%08.0f') throw failure(`string.format by ${String(format)}`)
      const digits = library.number(value).toFixed(0)
      return format === '%.0f' ? digits : digits.padStart(8, '0')
    },
  }),
  math: tableOf({
    max: (...numbers) => Math.max(...numbers.map(library.number)),
    min: (...numbers) => Math.min(...numbers.map(library.number)),
    ceil: (number) => Math.ceil(library.number(number)),
  }),
}

/** A table of functions. */
export function tableOf(functions: Readonly<Record<string, LuaFunction>>): Table {
  const table = new Table()
  for (const [name, run] of Object.entries(functions)) table.fields.set(name, run)
  return table
}

function typeOf(value: LuaValue): string {
  if (value === undefined) return 'nil'
  return value instanceof Table ? 'table' : typeof value
}

function toNumber(value: LuaValue): number | undefined {
  if (typeof value === 'number') return value
  return typeof value === 'string' && /^\s*-?\d+(\.\d*)?(e[-+]?\d+)?\s*$/i.test(value) ? Number(value) : undefined
}

function textOf(value: LuaValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(Number(value.toPrecision(14)))
  throw failure(`attempt to concatenate a ${typeOf(value)} value`)
}

function failure(what: string): ErrorReply {
  return new ErrorReply(`ERR ${what}`)
}

const patterns = new Map<string, RegExp>()

function regExpOf(pattern: string): RegExp {
  const known = patterns.get(pattern)
  if (known !== undefined) return known
  const made = new RegExp(sourceOf(pattern))
  patterns.set(pattern, made)
  return made
}

const classes: Readonly<Record<string, string>> = { d: '0-9', w: 'A-Za-z0-9', s: ' \\t-\\r' }

/** A pattern of Lua as the source of a regular expression. */
function sourceOf(pattern: string): string {
  let isInSet = false
  return pattern.replace(/%(.)|\[\^?|[\]*+?^$().|{}\\/-]/gs, (sign, escaped: string | undefined) => {
    if (escaped !== undefined) return classOf(escaped, isInSet)
    if (sign.startsWith('[')) isInSet = true
    else if (sign === ']') isInSet = false
    else if (isInSet) return sign
    else if (sign === '-') return '*?'
    else if (sign === '.') return '[^]'
    else if ('|{}\\/'.includes(sign)) return `\\${sign}`
    return sign
  })
}

function classOf(letter: string, isInSet: boolean): string {
  const members = classes[letter.toLowerCase()]
  if (members === undefined) {
    if (/\w/.test(letter)) throw failure(`a pattern with %${letter}`)
    return `\\${letter}`
  }
  if (letter === letter.toLowerCase()) return isInSet ? members : `[${members}]`
  if (isInSet) throw failure(`a set with %${letter}`)
  return `[^${members}]`
}
