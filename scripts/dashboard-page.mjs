import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

// Makes the page of the dashboard, from src/dashboard/page into dist/dashboard/page: one script, one style sheet.

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SOURCES = join(ROOT, 'src/dashboard/page')

/** Builds the page. Takes a fraction of a second. */
export async function buildDashboardPage(folder = join(ROOT, 'dist/dashboard/page')) {
  mkdirSync(folder, { recursive: true })
  const legal = '/* Contains uPlot (MIT, Leon Sorokin) and lit-html (BSD-3-Clause, Google LLC). */'
  /** @type {import('esbuild').BuildOptions} */
  const common = { bundle: true, minify: true, format: 'esm', target: 'es2022', legalComments: 'none' }
  const page = { entryPoints: [join(SOURCES, 'page.js')], outfile: join(folder, 'page.js'), banner: { js: legal } }
  // Files of their own: what all import, and what is loaded when it is shown.
  const files = ['format.js', 'entries.js', 'shadow.js']
  const external = files.map((name) => `./${name}`)
  await build({ ...common, ...page, external })
  for (const name of files) {
    await build({ ...common, external, entryPoints: [join(SOURCES, name)], outfile: join(folder, name) })
  }
  for (const name of ['page.js', ...files]) shortenTemplates(join(folder, name))
  const styles = [join(ROOT, 'node_modules/uplot/dist/uPlot.min.css'), join(SOURCES, 'page.css')]
  const { outputFiles } = await build({
    stdin: { contents: styles.map((path) => readFileSync(path, 'utf8')).join('\n'), loader: 'css' },
    bundle: true,
    minify: true,
    write: false,
  })
  writeFileSync(join(folder, 'page.css'), outputFiles[0]?.contents ?? '')
  for (const name of ['index.html', 'icon.svg']) cpSync(join(SOURCES, name), join(folder, name))
}

/** Takes the indentation out of templates, where browsers show it as a space: minified code has no other lines. @param {string} file */
function shortenTemplates(file) {
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/\n\s+/g, '\n'))
}
