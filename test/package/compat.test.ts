import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ROWS, withResults } from '../../scripts/compat.mjs'

const PAGE = 'docs/compatibility.md'

// Takes dist/ as it is; `npm run build` comes first.
describe('npm run compat', () => {
  it('runs a row with the built package', async () => {
    const args = ['scripts/compat.mjs', '--dry', 'built package']
    const { stdout } = await promisify(execFile)(process.execPath, args)
    expect(stdout).toBe('node:http, the built package: passed (a hit, and an invalidation)\n')
  })

  it('fails for a row that there is not', async () => {
    const asked = promisify(execFile)(process.execPath, ['scripts/compat.mjs', '--dry', 'cobol'])
    await expect(asked).rejects.toThrow('no row is called so: Express 5')
  })

  it('keeps what it has not run, on a page that has every row', () => {
    const page = readFileSync(PAGE, 'utf8')
    expect(withResults(page, new Map())).toBe(page)
    expect(page.match(/^\| .+ \| (passed|failed|every answer is right|not available|not run).* \|$/gm)).toHaveLength(
      ROWS.length,
    )
    expect(withResults(page, new Map([['Koa 2', 'failed']]))).toContain('\n| Koa 2 | failed |\n')
  })
})
