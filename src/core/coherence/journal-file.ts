import {
  appendFileSync,
  closeSync,
  copyFileSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { shown } from '../option-checks.js'
import { type Cover, coverText, parseCover } from './cover.js'

/** An invalidation as the file keeps it. */
export interface FiledInvalidation {
  readonly nonce: string
  readonly covers: readonly Cover[]
}

/** A journal is far smaller: a larger file is something else. Bytes. */
const largestFile = 64 * 1024 * 1024

/** Bytes of lines that are done with, beyond as many as still wait, before the file is written again without them. */
const toleratedWaste = 64 * 1024

/**
 * Invalidations that Redis does not have yet, in a file, so that a crash of this process does not lose them.
 *
 * One JSON text a line: `{"n":name,"c":[covers]}` when one has to wait, `{"d":name}` when the log has taken it. Appended
 * to, emptied when nothing waits, and written again when most of its lines are done with. One file for each process.
 *
 * A last line without an end was cut off by a crash and is left out: its invalidation had not returned to its caller.
 * Any other line that cannot be read may have been an invalidation that had returned, and counts as one of everything.
 */
export class JournalFile {
  readonly #path: string
  readonly #onFault: (error: unknown) => void
  /** The line of each invalidation that waits. */
  readonly #waiting = new Map<string, string>()
  #waitingBytes = 0
  #size = 0
  /** Whether the file ends in the middle of a line, which the next one must not continue. */
  #isCut = false

  /** @throws TypeError when the file cannot be opened for reading and appending */
  constructor(path: string, onFault: (error: unknown) => void) {
    this.#path = path
    this.#onFault = onFault
    try {
      closeSync(openSync(path, 'a+', 0o600))
    } catch (cause) {
      throw new TypeError(`journalFile must be a file that can be written, got ${JSON.stringify(path)}`, { cause })
    }
  }

  /**
   * What an earlier process left behind, oldest first.
   *
   * @throws TypeError when the file is too large to be a journal
   */
  read(): readonly FiledInvalidation[] {
    const { size } = statSync(this.#path)
    if (size > largestFile) {
      throw new TypeError(`journalFile must be a journal of this library, got ${shown(this.#path)} of ${size} bytes`)
    }
    const bytes = readFileSync(this.#path)
    this.#size = bytes.length
    const { waiting, isDamaged, isCut } = readLines(bytes)
    for (const { nonce, covers } of waiting.values()) this.#remember(nonce, covers)
    this.#isCut = isCut
    if (isDamaged) this.#setAside()
    if (isDamaged || isCut) this.#rewrite()
    return [...waiting.values()]
  }

  /** Writes down one that has to wait. */
  add(nonce: string, covers: readonly Cover[]): void {
    if (this.#waiting.has(nonce)) return
    this.#append(this.#remember(nonce, covers))
  }

  /** One no longer waits. */
  remove(nonce: string): void {
    const line = this.#waiting.get(nonce)
    if (line === undefined) return
    this.#waiting.delete(nonce)
    this.#waitingBytes -= Buffer.byteLength(line)
    if (this.#waiting.size === 0 && this.#empty()) return
    this.#append(`${JSON.stringify({ d: nonce })}\n`)
    if (this.#size > 2 * this.#waitingBytes + toleratedWaste) this.#rewrite()
  }

  /** Several no longer wait: the file is written once, and not once for each. */
  removeAll(nonces: Iterable<string>): void {
    for (const nonce of nonces) {
      const line = this.#waiting.get(nonce)
      if (line === undefined) continue
      this.#waiting.delete(nonce)
      this.#waitingBytes -= Buffer.byteLength(line)
    }
    this.#rewrite()
  }

  #remember(nonce: string, covers: readonly Cover[]): string {
    const line = `${JSON.stringify({ n: nonce, c: covers.map(coverText) })}\n`
    this.#waiting.set(nonce, line)
    this.#waitingBytes += Buffer.byteLength(line)
    return line
  }

  /** Keeps a copy of a file with lines that cannot be read: the path may be that of another file by mistake. */
  #setAside(): void {
    const copy = `${this.#path}.damaged`
    try {
      copyFileSync(this.#path, copy)
    } catch (error) {
      this.#onFault(error)
    }
    const what = `a line of journalFile ${this.#path} cannot be read: everything is invalidated instead`
    this.#onFault(new Error(`${what}, and the file was copied to ${copy}`))
  }

  /** Whether no other process has written to the file: those lines are not ours to throw away. */
  #isOurs(): boolean {
    return statSync(this.#path).size === this.#size
  }

  #empty(): boolean {
    try {
      if (!this.#isOurs()) return false
      truncateSync(this.#path)
      this.#size = 0
      this.#isCut = false
      return true
    } catch (error) {
      this.#onFault(error)
      return false
    }
  }

  /** Writes the lines that wait to a file beside it, which then takes its place. */
  #rewrite(): void {
    try {
      if (!this.#isOurs()) return
      const beside = `${this.#path}.new`
      writeFileSync(beside, [...this.#waiting.values()].join(''), { mode: 0o600, flush: true })
      renameSync(beside, this.#path)
      this.#size = this.#waitingBytes
      this.#isCut = false
    } catch (error) {
      this.#onFault(error)
    }
  }

  #append(line: string): void {
    const text = this.#isCut ? `\n${line}` : line
    try {
      // Synchronous: when the invalidation returns to its caller it must be there. Only during an outage.
      appendFileSync(this.#path, text)
      this.#size += Buffer.byteLength(text)
      this.#isCut = false
    } catch (error) {
      // Part of it may be there, on a disk that is full.
      this.#isCut = true
      this.#onFault(error)
      this.#measure()
    }
  }

  #measure(): void {
    try {
      this.#size = statSync(this.#path).size
    } catch {
      // Whoever took the file away has been told of by the failure before.
    }
  }
}

interface Lines {
  readonly waiting: ReadonlyMap<string, FiledInvalidation>
  /** Whether a line cannot be read. */
  readonly isDamaged: boolean
  /** Whether the last line has no end. */
  readonly isCut: boolean
}

function readLines(bytes: Buffer): Lines {
  const waiting = new Map<string, FiledInvalidation>()
  let isDamaged = false
  let start = 0
  for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
    const line = bytes.subarray(start, end)
    start = end + 1
    if (line.length === 0) continue
    const filed = readLine(line)
    if (filed === undefined) {
      isDamaged = true
      waiting.set(damaged, { nonce: damaged, covers: [{ kind: 'all' }] })
    } else if (filed.covers === undefined) waiting.delete(filed.nonce)
    else waiting.set(filed.nonce, { nonce: filed.nonce, covers: filed.covers })
  }
  const rest = readLine(bytes.subarray(start))
  if (rest?.covers !== undefined) waiting.set(rest.nonce, { nonce: rest.nonce, covers: rest.covers })
  return { waiting, isDamaged, isCut: start < bytes.length }
}

/** The name of the invalidation that stands for lines that cannot be read. */
const damaged = 'damaged'

const utf8 = new TextDecoder('utf-8', { fatal: true })

function readLine(line: Buffer): { nonce: string; covers: readonly Cover[] | undefined } | undefined {
  try {
    const filed = JSON.parse(utf8.decode(line)) as { n?: unknown; c?: unknown; d?: unknown }
    if (typeof filed.d === 'string') return { nonce: filed.d, covers: undefined }
    if (typeof filed.n !== 'string' || !Array.isArray(filed.c)) return undefined
    return { nonce: filed.n, covers: filed.c.map((cover) => parseCover(String(cover))) }
  } catch {
    return undefined
  }
}
