import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The path of an executable file that `PATH` finds under this name, or nothing. */
export function onPath(name: string, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  for (const place of (environment.PATH ?? '').split(delimiter)) {
    const found = place === '' ? undefined : executable(join(place, name))
    if (found) return found
  }
  return undefined
}

/** The path, if an executable file is there. */
export function executable(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK)
    return path
  } catch {
    return undefined
  }
}
