/** Maximum length in characters of a text whose result is remembered, unless another is given. */
const LONGEST = 256

/** Maximum number of results that are remembered: applications send few different values of a field. */
const MOST = 256

/** A function of a text that remembers its results, which depend on the text alone. */
export class Remembered<Result> {
  readonly #find: (text: string) => Result
  readonly #longest: number
  readonly #known = new Map<string, { readonly result: Result }>()

  constructor(find: (text: string) => Result, longest = LONGEST) {
    this.#find = find
    this.#longest = longest
  }

  /** The result for a text. */
  of(text: string): Result {
    const known = this.#known.get(text)
    if (known !== undefined) return known.result
    const result = this.#find(text)
    if (text.length > this.#longest) return result
    if (this.#known.size >= MOST) this.#known.clear()
    // A copy: a part of a longer text would keep all of it.
    this.#known.set(` ${text}`.slice(1), { result })
    return result
  }
}
