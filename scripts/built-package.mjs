import { mkdirSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'

/**
 * Makes a folder a project that has the built package and its dependencies installed, and not ioredis.
 *
 * @param {string} folder exists already
 */
export function linkBuiltPackage(folder) {
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@lukeed'), { recursive: true })
  mkdirSync(join(modules, 'fallback-cache'))
  for (const part of ['dist', 'package.json']) symlinkSync(resolve(part), join(modules, 'fallback-cache', part))
  for (const name of ['lru-cache', '@lukeed/ms']) symlinkSync(resolve('node_modules', name), join(modules, name))
}
