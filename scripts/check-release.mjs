import { readFileSync } from 'node:fs'

// node scripts/check-release.mjs v1.2.3 owner/name [latest|next]: exits with 1, and says why, unless package.json may be published
// from that repository under that tag of npm.

const [tag = '', repository = '', distTag = ''] = process.argv.slice(2)
const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
const changelog = readFileSync(new URL('../CHANGELOG.md', import.meta.url), 'utf8')
const owners = readFileSync(new URL('../.github/CODEOWNERS', import.meta.url), 'utf8')
const problems = []

if (tag !== `v${manifest.version}`) problems.push(`The tag is ${tag || 'missing'}, the version ${manifest.version}.`)
if (!changelog.includes(`\n## ${manifest.version}`))
  problems.push(`CHANGELOG.md has no section "## ${manifest.version}".`)
const isCandidate = manifest.version.includes('-')
if (distTag !== '' && (distTag === 'next') !== isCandidate)
  problems.push(
    `${manifest.version} must be published as "${isCandidate ? 'next' : 'latest'}": mark the release ${isCandidate ? '' : 'not '}as a pre-release.`,
  )
const address = repository === '' ? undefined : `github.com/${repository}`
for (const field of ['repository', 'homepage', 'bugs']) {
  const text = JSON.stringify(manifest[field] ?? '')
  if (text === '""') problems.push(`package.json has no "${field}": provenance and links on npm need it.`)
  else if (address !== undefined && !text.includes(address))
    problems.push(`package.json: "${field}" does not name ${address}.`)
}
if (!/^\*\s+@/m.test(owners))
  problems.push('.github/CODEOWNERS has no line "* @account": no account is asked to review a change.')

for (const problem of problems) console.error(`✗ ${problem}`)
if (problems.length > 0) process.exit(1)
console.log(`✓ ${manifest.name} ${manifest.version} may be published`)
