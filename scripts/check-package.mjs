import { spawnSync } from 'node:child_process'
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { npm } from './install-dependencies.mjs'

// Packs dist/ (or the package in the folder PACKAGE_FOLDER) as it would be published, and has publint and "Are the types wrong?" judge the tarball.
// Every way in which TypeScript resolves is judged, `node10` included: it knows no `exports`, and reads `typesVersions`.

const FOLDER = '.cache/package'
const TARBALL = `${FOLDER}/fallback-cache.tgz`

rmSync(FOLDER, { recursive: true, force: true })
mkdirSync(FOLDER, { recursive: true })
const packed = npm(
  ['pack', process.env.PACKAGE_FOLDER ?? '.', '--ignore-scripts', '--silent', '--pack-destination', FOLDER],
  { encoding: 'utf8' },
)
const file = String(packed.stdout).trim().split('\n').at(-1)
if (packed.status !== 0 || !file) {
  console.error(`npm pack failed: ${packed.stderr}`)
  process.exit(1)
}
renameSync(`${FOLDER}/${file}`, TARBALL)

let failed = false
for (const args of [
  ['node_modules/publint/src/cli.js', '--strict', TARBALL],
  ['node_modules/@arethetypeswrong/cli/dist/index.js', '--no-emoji', TARBALL],
]) {
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (status !== 0) failed = true
}
process.exit(failed ? 1 : 0)
