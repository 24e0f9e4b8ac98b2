import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Maximum number of folders checked on the way up; maximum length of a name in characters. */
const MOST_FOLDERS = 40
const LONGEST_NAME = 100

/**
 * Determines the name of this application: the name in the package.json nearest to its main script, or else nearest to
 * the folder in which the process was started; `undefined` if neither has a name.
 *
 * A script of a dependency (a test runner, a process manager) belongs to the application that has it in its
 * `node_modules`. A package.json without a name, such as builds create next to their modules, is skipped.
 *
 * @param main - path of the main script
 * @param folder - the folder in which the process was started
 */
export function applicationName(main = process.argv[1], folder = currentFolder()): string | undefined {
  const own = main === undefined ? undefined : main.split(/[\\/]node_modules(?:[\\/]|$)/, 1)[0]
  return nameAbove(own) ?? nameAbove(folder)
}

/** A short hash of an application's name, equal in all of its processes. */
export function applicationTag(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 12)
}

function nameAbove(path: string | undefined): string | undefined {
  let folder = path
  for (let count = 0; folder !== undefined && folder !== '' && count < MOST_FOLDERS; count++) {
    const name = nameIn(folder)
    if (name !== undefined) return name
    const above = dirname(folder)
    folder = above === folder ? undefined : above
  }
  return undefined
}

function nameIn(folder: string): string | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    if (typeof content !== 'object' || content === null || !('name' in content)) return undefined
    const { name } = content
    return typeof name === 'string' && name !== '' ? name.slice(0, LONGEST_NAME) : undefined
  } catch {
    return undefined
  }
}

/** The working directory; `undefined` if it was deleted while the process runs. */
function currentFolder(): string | undefined {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}
