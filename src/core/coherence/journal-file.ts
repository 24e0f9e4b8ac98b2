import { appendFileSync, closeSync, openSync, readFileSync, statSync, truncateSync } from 'node:fs'
import { type Cover, coverText, parseCover } from './cover.js'

/** An invalidation as the file keeps it. */
export interface FiledInvalidation {
  readonly nonce: string
  readonly covers: readonly Cover[]
}

/**
 * Invalidations that Redis does not have yet, in a file, so that a crash of this process does not lose them.
 *
 * One JSON text a line: `{"n":name,"c":[covers]}` when one has to wait, `{"d":name}` when the log has taken it. Only
 * appended to, and emptied when nothing waits. A last line that was cut off by the crash is left out: its
 * invalidation had not returned to its caller. One file for each process.
 */
export class JournalFile {
  readonly #path: string
  readonly #onFault: (error: unknown) => void
  readonly #waiting = new Set<string>()
  #size = 0

  /** @throws Error when the file cannot be opened for reading and appending */
  constructor(path: string, onFault: (error: unknown) => void) {
    this.#path = path
    this.#onFault = onFault
    try {
      closeSync(openSync(path, 'a+', 0o600))
    } catch (cause) {
      throw new TypeError(`journalFile must be a file that can be written, got ${JSON.stringify(path)}`, { cause })
    }
  }

  /** What an earlier process left behind, oldest first. */
  read(): readonly FiledInvalidation[] {
    const waiting = new Map<string, FiledInvalidation>()
    const text = readFileSync(this.#path, 'utf8')
    this.#size = Buffer.byteLength(text)
    for (const line of text.split('\n')) {
      const filed = readLine(line)
      if (filed === undefined) continue
      if (filed.covers === undefined) waiting.delete(filed.nonce)
      else waiting.set(filed.nonce, { nonce: filed.nonce, covers: filed.covers })
    }
    for (const nonce of waiting.keys()) this.#waiting.add(nonce)
    return [...waiting.values()]
  }

  /** Writes down one that has to wait. */
  add(nonce: string, covers: readonly Cover[]): void {
    if (this.#waiting.has(nonce)) return
    this.#waiting.add(nonce)
    this.#append({ n: nonce, c: covers.map(coverText) })
  }

  /** One no longer waits. */
  remove(nonce: string): void {
    if (!this.#waiting.delete(nonce)) return
    if (this.#waiting.size > 0 || !this.#empty()) this.#append({ d: nonce })
  }

  /** Empties the file, unless somebody else has written to it: those lines are not ours to throw away. */
  #empty(): boolean {
    try {
      if (statSync(this.#path).size !== this.#size) return false
      truncateSync(this.#path)
      this.#size = 0
      return true
    } catch (error) {
      this.#onFault(error)
      return false
    }
  }

  #append(line: object): void {
    const text = `${JSON.stringify(line)}\n`
    try {
      // Synchronous: when the invalidation returns to its caller it must be there. Only during an outage.
      appendFileSync(this.#path, text)
      this.#size += Buffer.byteLength(text)
    } catch (error) {
      this.#onFault(error)
    }
  }
}

function readLine(line: string): { nonce: string; covers: readonly Cover[] | undefined } | undefined {
  if (line === '') return undefined
  try {
    const filed = JSON.parse(line) as { n?: unknown; c?: unknown; d?: unknown }
    if (typeof filed.d === 'string') return { nonce: filed.d, covers: undefined }
    if (typeof filed.n !== 'string' || !Array.isArray(filed.c)) return undefined
    return { nonce: filed.n, covers: filed.c.map((cover) => parseCover(String(cover))) }
  } catch {
    return undefined
  }
}
