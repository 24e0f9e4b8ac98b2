import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * The test files below a folder that start a redis-server, by themselves or through what they import. A file that
 * speaks of SKIP_REDIS skips by itself what it has to, and is none of them.
 *
 * @param {string} [folder]
 * @returns {string[]}
 */
export function testsWithRedis(folder = 'test') {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith('.test.ts') && startsRedis(file))
}

/**
 * @param {string} file
 * @returns {boolean}
 */
function startsRedis(file) {
  if (!existsSync(file)) return false
  const text = readFileSync(file, 'utf8')
  if (text.includes('SKIP_REDIS')) return false
  const imported = Array.from(text.matchAll(/from '(\.[^']+)\.js'/g), ([, path = '']) =>
    join(dirname(file), `${path}.ts`),
  )
  return imported.some((path) => path.endsWith('redis-server.ts') || (path.startsWith('test') && startsRedis(path)))
}
