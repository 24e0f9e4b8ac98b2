import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { summaryOf, titleOf, withLinks } from './markdown.mjs'
import { PAGES, SECTIONS } from './pages.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** VitePress reads this folder. It has the layout of the repository, so that links between pages stay as they are. */
const FOLDER = fileURLToPath(new URL('.pages/', import.meta.url))

const IMAGE = /\.(png|svg|jpg|gif)$/
const LANGUAGES = new Map([
  ['.mjs', 'js'],
  ['.cjs', 'js'],
  ['.yml', 'yaml'],
  ['.lua', 'lua'],
])

/** The files of the last collection, from {@link FOLDER}. @type {Set<string>} */
const written = new Set()

/**
 * Writes the pages into {@link FOLDER}: those of the table, those that they link to, and a page for each linked example, test
 * or folder. The API reference in it stays, and a file that has not changed is not touched: a running VitePress shows the others again.
 */
export function collectPages() {
  written.clear()
  const waiting = [...PAGES]
  const known = new Set(waiting)
  for (const path of waiting) {
    const source = sourceOf(path)
    const text = withLinks(source, path, (target, anchor) => {
      if (!existsSync(join(ROOT, target))) throw new Error(`${path} links to ${target}, which does not exist`)
      if (!known.has(target)) {
        known.add(target)
        waiting.push(target)
      }
      return `/${siteFile(target)}${anchor && `#${anchor}`}`
    })
    if (IMAGE.test(path)) copy(path)
    else write(siteFile(path), text)
  }
  writeLists()
  removeOthers()
}

/** Removes what an earlier collection has left. */
function removeOthers() {
  for (const entry of readdirSync(FOLDER, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name).slice(FOLDER.length)
    if (entry.isFile() && !file.startsWith('api/') && !written.has(file)) rmSync(join(FOLDER, file))
  }
}

/** The Markdown of a page; of another file or a folder, a page that shows it. @param {string} path */
function sourceOf(path) {
  if (IMAGE.test(path)) return ''
  if (path.endsWith('.md')) return readFileSync(join(ROOT, path), 'utf8')
  if (statSync(join(ROOT, path)).isDirectory()) {
    const files = readdirSync(join(ROOT, path), { withFileTypes: true }).filter(({ name }) => !name.startsWith('.'))
    const isReadme = files.some(({ name }) => name === 'README.md')
    if (isReadme) return readFileSync(join(ROOT, path, 'README.md'), 'utf8')
    return `# ${path}\n\n${files.map(({ name }) => `- [${name}](${path.split('/').at(-1)}/${name})`).join('\n')}\n`
  }
  const code = readFileSync(join(ROOT, path), 'utf8')
  const extension = extname(path)
  return `# ${path}\n\n\`\`\`\`${LANGUAGES.get(extension) ?? extension.slice(1)}\n${code.trimEnd()}\n\`\`\`\`\n`
}

/** The path of a page in {@link FOLDER}. @param {string} path from the root of the repository */
function siteFile(path) {
  if (IMAGE.test(path)) return path
  if (path.endsWith('README.md')) return path.replace(/README\.md$/, 'index.md')
  if (path.endsWith('.md')) return path
  return statSync(join(ROOT, path)).isDirectory() ? `${path}/index.md` : `${path}.md`
}

/** llms.txt, llms-full.txt, and the Markdown of each page under its path in the repository. */
function writeLists() {
  const sections = SECTIONS.map(({ title, pages }) => {
    const lines = pages.map((path) => {
      const text = sourceOf(path)
      return `- [${titleOf(text)}](/${path}): ${summaryOf(text)}`
    })
    return `## ${title}\n\n${lines.join('\n')}\n`
  })
  write('public/llms.txt', `# fallback-cache\n\n> ${summaryOf(sourceOf('README.md'))}\n\n${sections.join('\n')}`)
  write('public/llms-full.txt', PAGES.map((path) => `<!-- ${path} -->\n\n${sourceOf(path)}`).join('\n'))
  for (const path of PAGES) write(`public/${path}`, sourceOf(path))
}

/** @param {string} file @param {string} text */
function write(file, text) {
  written.add(file)
  const target = join(FOLDER, file)
  if (existsSync(target) && readFileSync(target, 'utf8') === text) return
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, text)
}

/** @param {string} path */
function copy(path) {
  written.add(path)
  if (existsSync(join(FOLDER, path))) return
  mkdirSync(dirname(join(FOLDER, path)), { recursive: true })
  cpSync(join(ROOT, path), join(FOLDER, path))
}
