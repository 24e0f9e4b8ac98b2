import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type * as Access from '../../src/core/coherence/shared-access.js'
import type * as Core from '../../src/core/fallback-cache.js'
import { guardDirectory } from './guard.js'

/** A folder of this test process within the project, where modules find the packages of the project. */
export function ownFolder(name: string): string {
  return resolve('.cache', `${name}-${process.pid}`)
}

/** The part of a release that tests use. */
export interface Release
  extends Pick<typeof Core, 'FallbackCache' | 'engineOf'>,
    Pick<typeof Access, 'loadSharedStore'> {}

const before = 'export const PROTOCOL = 1\n'

/** Writes a release like this one, but for the number of its protocol, which is 2, into a folder. */
export function writeOtherProtocol(folder: string): void {
  mkdirSync(folder, { recursive: true })
  cpSync('src/core', folder, { recursive: true })
  const head = join(folder, 'coherence/head.ts')
  const source = readFileSync(head, 'utf8')
  if (!source.includes(before)) throw new Error(`${head} names no protocol`)
  writeFileSync(head, source.replace(before, 'export const PROTOCOL = 2\n'))
}

/** A release like this one, but for the number of its protocol, which is 2. */
export async function otherProtocol(): Promise<Release> {
  const folder = ownFolder('protocol-2')
  guardDirectory(folder)
  writeOtherProtocol(folder)
  const core = (await import(join(folder, 'fallback-cache.ts'))) as typeof Core
  const access = (await import(join(folder, 'coherence/shared-access.ts'))) as typeof Access
  await access.loadSharedStore()
  return { ...core, ...access }
}
