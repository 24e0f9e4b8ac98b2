import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { type Packed, pack } from './packed.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** The tarball that all files test; none without dist/. */
    packed?: Packed
  }
}

/** Packs once for all files. */
export async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'fallback-cache-tarball-'))
  if (existsSync('dist/index.mjs')) project.provide('packed', await pack(folder))
  return () => rmSync(folder, { recursive: true, force: true })
}
