import { resolve } from 'node:path'

/** A folder of this test process within the project, where modules find the packages of the project. */
export function ownFolder(name: string): string {
  return resolve('.cache', `${name}-${process.pid}`)
}
