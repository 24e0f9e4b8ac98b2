import {
  appendFileSync,
  constants,
  copyFileSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { type Cover, coverText, parseCover } from './cover.js'
import { checkJournalFile, LARGEST_FILE } from './journal-file-check.js'

/** An invalidation as stored in the file. */
export interface FiledInvalidation {
  readonly nonce: string
  readonly covers: readonly Cover[]
}

/**
 * Bytes of completed lines tolerated, in addition to the size of the pending ones, before the file is rewritten.
 */
const TOLERATED_WASTE = 64 * 1024

/**
 * Stores invalidations that are not in Redis yet in a file, so that a crash of this process does not lose them.
 *
 * Each line is a JSON text: `{"n":name,"c":[covers]}` for a pending invalidation, `{"d":name}` when it is in the log.
 * The file is appended to, emptied if nothing is pending, and rewritten if most lines are completed. Each process needs
 * a file of its own.
 *
 * An incomplete last line was cut off by a crash and is ignored, because its invalidation had not returned to its
 * caller. Any other unreadable line may have been an invalidation that had returned, and is read as one of everything.
 */
export class JournalFile {
  readonly #path: string
  readonly #onFault: (error: unknown) => void
  readonly #onShared: (path: string) => void
  /** The line of each pending invalidation. */
  readonly #waiting = new Map<string, string>()
  #waitingBytes = 0
  /** Names of the pending invalidations that could not be written, because the disk was full. */
  readonly #unfiled = new Set<string>()
  #size = 0
  /** Bytes of another process in the file; `undefined` if there are none. */
  #others: number | undefined
  /** Whether the file ends within a line, so that the next line must not be appended directly. */
  #isCut = false

  /**
   * @param onFault - called if the file cannot be written
   * @param onShared - called once if another process writes to the file
   * @throws TypeError if the file is not usable; see {@link checkJournalFile}
   */
  constructor(path: string, onFault: (error: unknown) => void, onShared: (path: string) => void) {
    checkJournalFile(path)
    // A relative path must not change with the working directory, and rewriting must not replace a symbolic link.
    this.#path = realpathSync(path)
    this.#onFault = onFault
    this.#onShared = onShared
  }

  /**
   * Reads the invalidations that an earlier process left, oldest first.
   *
   * @param maxBytes - how many bytes of invalidations a process keeps. From a file that is larger than one process with this
   * limit makes it, an invalidation of everything is read, because each line takes time while nothing else runs
   */
  read(maxBytes = LARGEST_FILE): readonly FiledInvalidation[] {
    const bytes = readFileSync(this.#path)
    this.#size = bytes.length
    const isTooLarge = this.#size > 2 * maxBytes + TOLERATED_WASTE
    const { waiting, isDamaged, isCut } = isTooLarge ? UNREADABLE : readLines(bytes)
    for (const { nonce, covers } of waiting.values()) this.#remember(nonce, covers)
    this.#isCut = isCut
    if (isDamaged)
      this.#setAside(isTooLarge ? `of ${bytes.length} bytes is larger than one process makes it` : undefined)
    if (isDamaged || isCut) this.#rewrite()
    return [...waiting.values()]
  }

  /** Whether every pending invalidation that was added is in the file. */
  get isComplete(): boolean {
    return this.#unfiled.size === 0
  }

  /** Writes a pending invalidation. */
  add(nonce: string, covers: readonly Cover[]): void {
    if (this.#waiting.has(nonce)) return
    if (!this.#append(this.#remember(nonce, covers))) this.#unfiled.add(nonce)
  }

  /** Removes an invalidation that is no longer pending. */
  remove(nonce: string): void {
    const line = this.#waiting.get(nonce)
    if (line === undefined) return
    this.#waiting.delete(nonce)
    this.#unfiled.delete(nonce)
    this.#waitingBytes -= Buffer.byteLength(line)
    if (this.#waiting.size === 0 && this.#empty()) return
    this.#append(`${JSON.stringify({ d: nonce })}\n`)
    if (this.#size > 2 * this.#waitingBytes + TOLERATED_WASTE) this.#rewrite()
  }

  /** Removes all invalidations but this one, with a single write. */
  removeOthers(nonce: string): void {
    const line = this.#waiting.get(nonce) ?? ''
    const isUnfiled = this.#unfiled.has(nonce)
    this.#waiting.clear()
    this.#unfiled.clear()
    this.#waiting.set(nonce, line)
    this.#waitingBytes = Buffer.byteLength(line)
    if (isUnfiled) this.#unfiled.add(nonce)
    this.#rewrite()
  }

  #remember(nonce: string, covers: readonly Cover[]): string {
    const line = `${JSON.stringify({ n: nonce, c: covers.map(coverText) })}\n`
    this.#waiting.set(nonce, line)
    this.#waitingBytes += Buffer.byteLength(line)
    return line
  }

  /** Copies a file that is not read, or not all of it, because the path may be that of another file by mistake. */
  #setAside(why = 'has a line that cannot be read'): void {
    const copy = `${this.#path}.damaged`
    try {
      rmSync(copy, { force: true })
      copyFileSync(this.#path, copy, constants.COPYFILE_EXCL)
    } catch (error) {
      this.#onFault(error)
    }
    const what = `journalFile ${this.#path} ${why}: everything is invalidated instead`
    this.#onFault(new Error(`${what}, and the file was copied to ${copy}`))
  }

  /** Whether no other process has changed the file; if one has, its lines must not be removed. */
  #isOurs(): boolean {
    const others = this.#measured() - this.#size
    if (others === 0) return true
    if (this.#others === undefined) this.#onShared(this.#path)
    this.#others = others
    return false
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

  /** Writes the pending lines to a second file, and renames it to replace the first. */
  #rewrite(): void {
    try {
      if (!this.#isOurs()) return
      const beside = `${this.#path}.new`
      // Another user of the folder may have made a link of this name.
      rmSync(beside, { force: true })
      writeFileSync(beside, [...this.#waiting.values()].join(''), { mode: 0o600, flag: 'wx', flush: true })
      renameSync(beside, this.#path)
      this.#size = this.#waitingBytes
      this.#isCut = false
      this.#unfiled.clear()
    } catch (error) {
      this.#onFault(error)
    }
  }

  /** Appends a line, and then those that could not be written before. Returns false if it was not written. */
  #append(line: string): boolean {
    this.#measured()
    if (!this.#write(line)) return false
    if (this.#unfiled.size === 0) return true
    const lines = Array.from(this.#unfiled, (nonce) => this.#waiting.get(nonce) ?? '')
    if (this.#write(lines.join(''))) this.#unfiled.clear()
    return true
  }

  #write(lines: string): boolean {
    const text = this.#isCut ? `\n${lines}` : lines
    const bytes = Buffer.byteLength(text)
    try {
      // A file that is shared is never rewritten, and one that is too large could not be read.
      if (this.#size + (this.#others ?? 0) + bytes > LARGEST_FILE) throw new Error(`${this.#path} is full`)
      // Synchronous, because it must be written before the invalidation returns to its caller. Only during an outage.
      appendFileSync(this.#path, text, { mode: 0o600 })
      this.#size += bytes
      this.#isCut = false
      return true
    } catch (error) {
      // If the disk is full, a part of the line may be written.
      this.#isCut = true
      this.#onFault(error)
      this.#size = this.#measured()
      return false
    }
  }

  /** The size of the file. If another program has removed or truncated it, all pending lines are to be written again. */
  #measured(): number {
    try {
      const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0
      if (size < this.#size) {
        for (const nonce of this.#waiting.keys()) this.#unfiled.add(nonce)
        this.#isCut = size > 0
        this.#size = size
      }
      return size
    } catch {
      // The folder is not accessible, which the write reports.
      return this.#size
    }
  }
}

interface Lines {
  readonly waiting: ReadonlyMap<string, FiledInvalidation>
  /** Whether a line is unreadable. */
  readonly isDamaged: boolean
  /** Whether the last line is incomplete. */
  readonly isCut: boolean
}

/** The name of the invalidation that replaces unreadable lines. */
const DAMAGED = 'damaged'

const IN_THEIR_PLACE: FiledInvalidation = { nonce: DAMAGED, covers: [{ kind: 'all' }] }

/** What a file says of which no line is read. */
const UNREADABLE: Lines = { waiting: new Map([[DAMAGED, IN_THEIR_PLACE]]), isDamaged: true, isCut: false }

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
      waiting.set(DAMAGED, IN_THEIR_PLACE)
    } else if (filed.covers === undefined) waiting.delete(filed.nonce)
    else waiting.set(filed.nonce, { nonce: filed.nonce, covers: filed.covers })
  }
  const rest = readLine(bytes.subarray(start))
  if (rest?.covers !== undefined) waiting.set(rest.nonce, { nonce: rest.nonce, covers: rest.covers })
  return { waiting, isDamaged, isCut: start < bytes.length }
}

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
