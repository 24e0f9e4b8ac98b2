/** A bare item of a Structured Field, by its type (RFC 9651, section 3.3). */
export type BareItem =
  | { readonly type: 'integer' | 'decimal' | 'date'; readonly value: number }
  | { readonly type: 'string' | 'token' | 'bytes' | 'display-string'; readonly value: string }
  | { readonly type: 'boolean'; readonly value: boolean }

/** A member of a List or of a Dictionary: an item, or an inner list. Parameters are read and dropped. */
export type Member = BareItem | { readonly type: 'inner-list'; readonly value: readonly BareItem[] }

/** The members of a Dictionary, the last of a repeated key; `undefined` when the text is none (RFC 9651, section 4.2.2). */
export function parseDictionary(_value: string): ReadonlyMap<string, Member> | undefined {
  throw new Error('not written yet')
}

/** The members of a List; `undefined` when the text is none (RFC 9651, section 4.2.1). */
export function parseList(_value: string): readonly Member[] | undefined {
  throw new Error('not written yet')
}

/** A text as a Token when it is one, else as a String; characters that neither may hold become `?` (RFC 9651, section 4.1). */
export function serializeStringOrToken(_text: string): string {
  throw new Error('not written yet')
}

/** A text as a String; characters that it may not hold become `?` (RFC 9651, section 4.1.6). */
export function serializeString(_text: string): string {
  throw new Error('not written yet')
}
