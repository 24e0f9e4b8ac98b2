import { once } from 'node:events'
import type { WriteStream } from 'node:tty'

type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow'

const CODES: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
}

/**
 * Standard output and standard error. Keys, paths and values go through `visible` before they are printed: a
 * client can put escape sequences into a URL.
 */
export class Terminal {
  readonly isTty: boolean
  /** Whether standard error is a terminal, where progress can be shown. */
  readonly showsProgress: boolean
  readonly #out: NodeJS.WritableStream
  readonly #err: NodeJS.WritableStream
  readonly #hasColor: boolean

  constructor(out: NodeJS.WritableStream, err: NodeJS.WritableStream, env: NodeJS.ProcessEnv) {
    this.#out = out
    this.#err = err
    this.isTty = 'isTTY' in out && out.isTTY === true
    this.showsProgress = 'isTTY' in err && err.isTTY === true && env.TERM !== 'dumb'
    const isForced = (env.FORCE_COLOR ?? '') !== '' && env.FORCE_COLOR !== '0'
    this.#hasColor = isForced || (this.isTty && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb')
  }

  /** In characters; 80 if the output is not a terminal. */
  get columns(): number {
    return (this.#out as Partial<WriteStream>).columns ?? 80
  }

  /** Prints lines to standard output. Resolves when more may be printed, so that a slow reader costs no memory. */
  async print(text: string): Promise<void> {
    if (!this.#out.write(`${text}\n`)) await once(this.#out, 'drain')
  }

  /** Prints bytes as they are. */
  async printBytes(bytes: Buffer): Promise<void> {
    if (!this.#out.write(bytes)) await once(this.#out, 'drain')
  }

  /** Prints a value as JSON on one line. */
  json(value: unknown): Promise<void> {
    return this.print(jsonText(value))
  }

  /** Prints a line to standard error. */
  note(text: string): void {
    this.#err.write(`${text}\n`)
  }

  /** Replaces the last line of standard error, if it is a terminal. */
  progress(text: string): void {
    if (this.showsProgress) this.#err.write(`\r\x1b[2K${text}`)
  }

  /** Clears the terminal, for a view that is refreshed. */
  clear(): void {
    if (this.isTty) this.#out.write('\x1b[H\x1b[2J')
  }

  style(style: Style, text: string): string {
    const [on, off] = CODES[style]
    return this.#hasColor ? `\x1b[${on}m${text}\x1b[${off}m` : text
  }
}

/** Control characters, direction marks and lone surrogates: they can move a cursor, or hide or reorder text. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu

/** A text with characters that a terminal would act on replaced: `\u{1b}`. */
export function visible(text: string): string {
  return text.replace(UNSAFE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/** A text in which the logins of URLs are masked. */
export function withoutLogins(text: string): string {
  return text.replace(/\S+/g, withoutLogin)
}

function withoutLogin(word: string): string {
  const begin = word.indexOf('://')
  const end = word.lastIndexOf('@')
  return begin < 0 || end < begin ? word : `${word.slice(0, begin)}://***${word.slice(end)}`
}

/** JSON on one line; characters that a terminal would act on are escaped, which is the same JSON. */
function jsonText(value: unknown): string {
  return JSON.stringify(value, plain).replace(UNSAFE, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
}

/** Converts numbers that JSON cannot represent to `null`, and bytes to base64. */
function plain(_name: string, value: unknown): unknown {
  const isBytes = typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer'
  return isBytes && 'data' in value && Array.isArray(value.data) ? Buffer.from(value.data).toString('base64') : value
}
