/** Maximum length in characters of a text whose result is remembered. */
const LONGEST = 256

/** Maximum number of results that are remembered: applications send few different values of a field. */
const MOST = 256

/** A function of a text that remembers its results, which depend on the text alone. */
export class Remembered<Result> {
  readonly #find: (text: string) => Result
  readonly #known = new Map<string, { readonly result: Result }>()

  constructor(find: (text: string) => Result) {
    this.#find = find
  }

  /** The result for a text. */
  of(text: string): Result {
    const known = this.#known.get(text)
    if (known !== undefined) return known.result
    const result = this.#find(text)
    if (text.length > LONGEST) return result
    if (this.#known.size >= MOST) this.#known.clear()
    this.#known.set(text, { result })
    return result
  }
}
