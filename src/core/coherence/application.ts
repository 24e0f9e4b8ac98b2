import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Folders looked at on the way up; characters of a name. */
const mostFolders = 40
const longestName = 100

/**
 * What this application is called: the name in the package.json nearest to its main script, else nearest to the folder it
 * was started in. `undefined` where neither has a name.
 *
 * A script of a dependency (a runner, a process manager) belongs to the application that has it in its `node_modules`. A
 * package.json without a name, as builds leave it beside their modules, is passed over.
 *
 * @param main - path of the main script
 * @param folder - the folder in which the process was started
 */
export function applicationName(main = process.argv[1], folder = currentFolder()): string | undefined {
  const own = main === undefined ? undefined : main.split(/[\\/]node_modules(?:[\\/]|$)/, 1)[0]
  return nameAbove(own) ?? nameAbove(folder)
}

/** A short tag for an application, the same in each of its processes. */
export function applicationTag(name: string): string {
  return createHash('sha256').update(name).digest('hex').slice(0, 12)
}

function nameAbove(path: string | undefined): string | undefined {
  let folder = path
  for (let count = 0; folder !== undefined && folder !== '' && count < mostFolders; count++) {
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
    return typeof name === 'string' && name !== '' ? name.slice(0, longestName) : undefined
  } catch {
    return undefined
  }
}

/** A folder that was deleted under the process has no name. */
function currentFolder(): string | undefined {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}
