import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { inject } from 'vitest'

const execute = promisify(execFile)
const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  devDependencies: Record<string, string>
}

/** A tarball, and what is in it. */
export interface Packed {
  readonly tarball: string
  readonly files: readonly PackedFile[]
}

export interface PackedFile {
  readonly path: string
  readonly size: number
}

/**
 * Makes the tarball that `npm publish` would send, from dist/ as it is; `npm run build` comes first. The script of the release
 * gives PACKAGE_FOLDER, a copy with another version.
 */
export async function pack(folder: string): Promise<Packed> {
  const source = process.env.PACKAGE_FOLDER ?? '.'
  const { stdout } = await execute('npm', ['pack', source, '--ignore-scripts', '--json', '--pack-destination', folder])
  const [packed] = JSON.parse(stdout) as [{ filename: string; files: PackedFile[] }]
  return { tarball: join(folder, packed.filename), files: packed.files }
}

/** The tarball under test. */
export function packedOnce(): Packed {
  const packed = inject('packed')
  if (packed === undefined) throw new Error('There is no dist/: run npm run build first')
  return packed
}

/** A project in a folder of its own, outside this repository, with the tarball and nothing else but what is named. */
export class BareProject {
  readonly folder = mkdtempSync(join(tmpdir(), 'fallback-cache-package-'))

  /**
   * @param fixture a folder or a file in test/package/fixtures whose contents the project gets
   * @param packages what it installs beside the tarball
   */
  static async create(fixture: string, manifest: object, packages: readonly string[]): Promise<BareProject> {
    const project = new BareProject()
    const { tarball } = packedOnce()
    cpSync(resolve('test/package/fixtures', fixture), join(project.folder, fixture.includes('.') ? fixture : ''), {
      recursive: true,
    })
    writeFileSync(join(project.folder, 'package.json'), JSON.stringify({ name: 'bare', private: true, ...manifest }))
    await project.install([tarball, ...packages])
    return project
  }

  /** Installs packages; those without a version in the one that this repository uses. */
  async install(packages: readonly string[]): Promise<void> {
    const versions = packages.map((name) => (name in devDependencies ? `${name}@${devDependencies[name]}` : name))
    const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
    await this.run('npm', ['install', ...options, ...versions])
  }

  /** Runs a program in the project's folder; what it printed. Fails, with its output, when the program does. */
  async run(
    program: string,
    args: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    // A user's project is not run by vitest.
    const inherited = Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_|TEST$)/.test(name))
    const env = { ...Object.fromEntries(inherited), ...variables }
    try {
      const { stdout } = await execute(program, args, { cwd: this.folder, env })
      return stdout
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      throw new Error(`${program} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error })
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
