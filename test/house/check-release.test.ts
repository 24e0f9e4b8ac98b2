import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { withRelease } from '../../scripts/cut-changelog.mjs'

const folder = mkdtempSync(join(tmpdir(), 'check-release-'))
afterAll(() => rmSync(folder, { recursive: true }))

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

/** What the check prints about a repository with these changes, and whether it lets it be released. */
function check(changes: Readonly<Record<string, string>>, ...args: readonly string[]) {
  for (const path of ['scripts/check-release.mjs', 'package.json', 'CHANGELOG.md', '.github/CODEOWNERS']) {
    cpSync(path, join(folder, path), { recursive: true })
  }
  mkdirSync(join(folder, '.github'), { recursive: true })
  for (const [path, text] of Object.entries(changes)) writeFileSync(join(folder, path), text)
  return new Promise<{ isFit: boolean; said: string }>((resolve) => {
    execFile(process.execPath, [join(folder, 'scripts/check-release.mjs'), ...args], (error, stdout, stderr) =>
      resolve({ isFit: error === null, said: stdout + stderr }),
    )
  })
}

const at = (address: string) => ({
  'package.json': JSON.stringify({
    name: 'fallback-cache',
    version,
    repository: { type: 'git', url: `git+https://${address}.git` },
    homepage: `https://${address}#readme`,
    bugs: `https://${address}/issues`,
  }),
  'CHANGELOG.md': `# Changelog\n\n## ${version}\n`,
  '.github/CODEOWNERS': '* @owner/maintainers\n',
})

describe('the check before a release', () => {
  it('refuses a package without an address, a change log of the version, a tag and owners', async () => {
    const { isFit, said } = await check({
      'package.json': JSON.stringify({ version }),
      'CHANGELOG.md': '# Changelog\n\n## Unreleased\n',
      '.github/CODEOWNERS': '# none\n',
    })
    expect(isFit).toBe(false)
    for (const lacking of ['tag', 'CHANGELOG.md', '"repository"', '"homepage"', '"bugs"', 'CODEOWNERS']) {
      expect(said).toContain(lacking)
    }
  })

  it('takes one that has them', async () => {
    const { isFit, said } = await check(at('github.com/owner/name'), `v${version}`, 'owner/name')
    expect(said).toMatch(/may be published/)
    expect(isFit).toBe(true)
  })

  it('refuses the address of another repository, and the tag of another version', async () => {
    const { isFit, said } = await check(at('github.com/owner/name'), 'v999.0.0', 'other/name')
    expect(isFit).toBe(false)
    expect(said).toMatch(/"homepage" does not name github.com\/other\/name/)
    expect(said).toMatch(/The tag is v999\.0\.0/)
  })

  it('refuses a candidate as latest, and a version as next', async () => {
    const [candidate, ordinary] = [`${version}-rc.0`, version]
    const asCandidate = JSON.parse(at('github.com/owner/name')['package.json'])
    const files = { ...at('github.com/owner/name'), 'CHANGELOG.md': `# Changelog\n\n## ${candidate}\n` }
    files['package.json'] = JSON.stringify({ ...asCandidate, version: candidate })
    const latest = await check(files, `v${candidate}`, 'owner/name', 'latest')
    expect(latest).toMatchObject({ isFit: false, said: expect.stringMatching(/must be published as "next"/) })
    expect((await check(files, `v${candidate}`, 'owner/name', 'next')).isFit).toBe(true)
    const next = await check(at('github.com/owner/name'), `v${ordinary}`, 'owner/name', 'next')
    expect(next).toMatchObject({ isFit: false, said: expect.stringMatching(/must be published as "latest"/) })
  })
})

describe('npm version', () => {
  const text = '# Changelog\n\n## Unreleased\n\n### Added\n\n- `a` costs $& less\n\n## 0.1.0 (2026-01-02)\n\n- b\n'

  it('makes what is unreleased the section of the version', () => {
    expect(withRelease(text, '0.2.0', '2026-02-03')).toBe(
      text.replace('## Unreleased\n', () => '## Unreleased\n\n## 0.2.0 (2026-02-03)\n'),
    )
  })

  it('says that there are no changes, and makes no section twice', () => {
    const cut = withRelease(text, '0.2.0-rc.0', '2026-02-03')
    expect(withRelease(cut, '0.2.0', '2026-02-04')).toContain(
      '## Unreleased\n\n## 0.2.0 (2026-02-04)\n\nNo changes.\n\n## 0.2.0-rc.0 (2026-02-03)\n',
    )
    expect(() => withRelease(cut, '0.2.0-rc.0', '2026-02-04')).toThrow('has a section 0.2.0-rc.0 already')
    expect(() => withRelease('# Changelog\n', '0.2.0', '2026-02-04')).toThrow('no section "## Unreleased"')
  })
})
