import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// Run by `npm version 1.2.0`, between the change of package.json and its commit: what is unreleased in CHANGELOG.md becomes the
// section of that version. If it ends with an error, npm makes neither a commit nor a tag.

const CHANGELOG = new URL('../CHANGELOG.md', import.meta.url)

/** The text with a section for a version, and an empty one above it. @param {string} text @param {string} version @param {string} date */
export function withRelease(text, version, date) {
  if (text.includes(`\n## ${version}\n`) || text.includes(`\n## ${version} `))
    throw new Error(`CHANGELOG.md has a section ${version} already`)
  const [, unreleased] = /\n## Unreleased\n([\s\S]*?)(?=\n## |$)/.exec(text) ?? []
  if (unreleased === undefined) throw new Error('CHANGELOG.md has no section "## Unreleased"')
  const none = unreleased.trim() === '' ? '\nNo changes.\n' : ''
  return text.replace('\n## Unreleased\n', () => `\n## Unreleased\n\n## ${version} (${date})\n${none}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  writeFileSync(CHANGELOG, withRelease(readFileSync(CHANGELOG, 'utf8'), version, new Date().toISOString().slice(0, 10)))
}
