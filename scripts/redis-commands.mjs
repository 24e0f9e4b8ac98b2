import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const beside = fileURLToPath(new URL('../src/core/', import.meta.url))
/** A program that was bundled from the tests runs in the project's root. */
const core = existsSync(beside) ? beside : 'src/core/'

/** Allowed to every user that may connect (ACL flag no-auth). */
const ALWAYS = new Set(['QUIT'])

/**
 * The commands that the library sends, in scripts of Redis and outside of them, in alphabetical order and lower case: read from
 * the source.
 *
 * @returns {readonly string[]}
 */
export function redisCommands() {
  const found = new Set()
  for (const file of readdirSync(core, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const source = readFileSync(core + file, 'utf8')
    for (const [, name] of source.matchAll(/redis\.p?call\('([A-Z]+)'/g)) found.add(name)
    for (const [, name] of source.matchAll(/(?<!Set\()\[\s*'([A-Z]{3,})'/g)) found.add(name)
    for (const [, name] of source.matchAll(/\bcall(?:Buffer)?\((?:[\w.#]+, )?'([A-Z]{3,})'/g)) found.add(name)
  }
  return [...found]
    .filter((name) => !ALWAYS.has(name))
    .map((name) => name.toLowerCase())
    .sort()
}

/**
 * The rules of a user that may do all of it, and nothing else, below a prefix.
 *
 * @param {string} prefix
 * @param {string} [password] the rule for its password
 * @returns {string}
 */
export function leastRules(prefix, password = '>secret') {
  return `on ${password} ~${prefix}* resetchannels -@all ${redisCommands()
    .map((name) => `+${name}`)
    .join(' ')}`
}
