/** A bare item of a Structured Field, tagged with its type (RFC 9651, section 3.3). */
export type BareItem =
  | { readonly type: 'integer' | 'decimal' | 'date'; readonly value: number }
  | { readonly type: 'string' | 'token' | 'bytes' | 'display-string'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }

/** A member of a List or a Dictionary: an item or an inner list. Parameters are parsed and discarded. */
export type Member = BareItem | { readonly type: 'inner-list'; readonly value: readonly BareItem[] }

/**
 * Parses a Dictionary; the last occurrence of a key wins. `undefined` if the text is malformed (RFC 9651, section
 * 4.2.2).
 */
export function parseDictionary(value: string): ReadonlyMap<string, Member> | undefined {
  return new Reader(value).whole((reader) => {
    const members = new Map<string, Member>()
    reader.members(() => {
      const key = reader.key()
      const member = reader.skip('=') ? reader.itemOrInnerList() : reader.trueWithParameters()
      members.delete(key)
      members.set(key, member)
    })
    return members
  })
}

/** Parses a List; `undefined` if the text is malformed (RFC 9651, section 4.2.1). */
export function parseList(value: string): readonly Member[] | undefined {
  return new Reader(value).whole((reader) => {
    const members: Member[] = []
    reader.members(() => members.push(reader.itemOrInnerList()))
    return members
  })
}

/** Serializes a text as a Token if it is a valid one, otherwise as a String (RFC 9651, section 4.1.7). */
export function serializeStringOrToken(text: string): string {
  return ONLY_TOKEN.test(text) ? text : serializeString(text)
}

/** Serializes a text as a String; characters outside printable ASCII become `?` (RFC 9651, section 4.1.6). */
export function serializeString(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`
}

const ONLY_TOKEN = /^[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*$/

const KEY = /[a-z*][a-z0-9_\-.*]*/y
const TOKEN = /[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*/y
const NUMBER = /-?([0-9]{1,12}\.[0-9]{1,3}|[0-9]{1,15})(?![0-9.])/y
const INTEGER = /-?[0-9]{1,15}(?![0-9.])/y
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y
const BYTES = /:((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}={0,2}|[A-Za-z0-9+/]{3}=?)?):/y
const BOOLEAN = /\?([01])/y
const DISPLAY_STRING = /%"((?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*)"/y

/** Thrown and caught in this file only: the text is malformed. */
class Malformed extends Error {}

/** Parses a text from left to right with the algorithms of RFC 9651, section 4.2. */
class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Parses the whole text; `undefined` if it is malformed or has trailing characters. */
  whole<Result>(read: (reader: Reader) => Result): Result | undefined {
    try {
      this.#spaces()
      const result = read(this)
      this.#spaces()
      return this.#at === this.#text.length ? result : undefined
    } catch (error) {
      if (error instanceof Malformed) return undefined
      throw error
    }
  }

  /** Parses comma-separated members up to the end; a trailing comma is malformed. */
  members(read: () => void): void {
    while (this.#at < this.#text.length) {
      read()
      this.#optionalWhitespace()
      if (this.#at === this.#text.length) return
      if (!this.skip(',')) throw new Malformed()
      this.#optionalWhitespace()
      if (this.#at === this.#text.length) throw new Malformed()
    }
  }

  skip(char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at += 1
    return true
  }

  key(): string {
    return this.#expect(KEY)[0]
  }

  trueWithParameters(): Member {
    this.#parameters()
    return { type: 'boolean', value: true }
  }

  itemOrInnerList(): Member {
    return this.skip('(') ? this.#innerList() : this.#item()
  }

  #innerList(): Member {
    const items: BareItem[] = []
    for (;;) {
      this.#spaces()
      if (this.skip(')')) break
      items.push(this.#item())
      const next = this.#text[this.#at]
      if (next !== ' ' && next !== ')') throw new Malformed()
    }
    this.#parameters()
    return { type: 'inner-list', value: items }
  }

  #item(): BareItem {
    const item = this.#bareItem()
    this.#parameters()
    return item
  }

  #parameters(): void {
    while (this.skip(';')) {
      this.#spaces()
      this.key()
      if (this.skip('=')) this.#bareItem()
    }
  }

  #bareItem(): BareItem {
    const first = this.#text[this.#at]
    if (first === undefined) throw new Malformed()
    if (first === '"') return { type: 'string', value: this.#expect(STRING)[1]?.replace(/\\(.)/g, '$1') ?? '' }
    if (first === '?') return { type: 'boolean', value: this.#expect(BOOLEAN)[1] === '1' }
    if (first === ':') return { type: 'bytes', value: this.#expect(BYTES)[1] ?? '' }
    if (first === '%') return this.#displayString()
    if (first === '@') {
      this.#at += 1
      return { type: 'date', value: Number(this.#expect(INTEGER)[0]) }
    }
    if (first === '-' || (first >= '0' && first <= '9')) {
      const number = this.#expect(NUMBER)[0]
      return { type: number.includes('.') ? 'decimal' : 'integer', value: Number(number) }
    }
    return { type: 'token', value: this.#expect(TOKEN)[0] }
  }

  #displayString(): BareItem {
    const text = this.#expect(DISPLAY_STRING)[1] ?? ''
    try {
      return { type: 'display-string', value: decodeURIComponent(text) }
    } catch {
      throw new Malformed()
    }
  }

  #expect(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) throw new Malformed()
    this.#at = pattern.lastIndex
    return match
  }

  #spaces(): void {
    while (this.#text[this.#at] === ' ') this.#at += 1
  }

  #optionalWhitespace(): void {
    while (this.#text[this.#at] === ' ' || this.#text[this.#at] === '\t') this.#at += 1
  }
}
