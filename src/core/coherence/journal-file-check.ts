import { shown } from '../option-checks.js'

/** Maximum file size in bytes; a journal is much smaller, so a larger file is something else. */
export const LARGEST_FILE = 64 * 1024 * 1024

/**
 * Creates the file of a journal if it is missing.
 *
 * @throws TypeError if it cannot be opened for reading and appending, is no regular file, or too large to be a journal
 */
export function checkJournalFile(path: string): void {
  // Not an import, which would list every property of the module for every user.
  const { closeSync, openSync, statSync } = process.getBuiltinModule('node:fs')
  try {
    closeSync(openSync(path, 'a+', 0o600))
  } catch (cause) {
    throw new TypeError(`journalFile must be a file that can be written, got ${JSON.stringify(path)}`, { cause })
  }
  const found = statSync(path)
  // A device or a pipe may have no end.
  if (!found.isFile()) throw new TypeError(`journalFile must be a file, got ${shown(path)}`)
  if (found.size > LARGEST_FILE) {
    throw new TypeError(`journalFile must be a journal of this library, got ${shown(path)} of ${found.size} bytes`)
  }
}
