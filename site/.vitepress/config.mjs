import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { ENTRIES } from '../entries.mjs'
import { anchorOf, titleOf } from '../markdown.mjs'
import { SECTIONS } from '../pages.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export default defineConfig({
  title: 'fallback-cache',
  description: 'Response cache for Express and Koa that keeps answering when Redis does not.',
  srcDir: '.pages',
  outDir: 'dist',
  // A site below another path, such as that of a repository: SITE_BASE=/fallback-cache/ npm run docs:build
  base: process.env.SITE_BASE ?? '/',
  srcExclude: ['public/**'],
  lastUpdated: false,
  // The index of the search is one file.
  vite: { build: { chunkSizeWarningLimit: 3000 } },
  // The anchors of GitHub, so that one link works in both.
  markdown: { anchor: { slugify: anchorOf } },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: SECTIONS.map(({ title, pages }) => ({ text: title, link: linkOf(pages[0] ?? '') })),
    sidebar: SECTIONS.map(({ title, pages }) => ({
      text: title,
      collapsed: false,
      items: [
        ...pages.map((path) => ({ text: shortTitle(path), link: linkOf(path) })),
        ...(title === 'Reference' ? api() : []),
      ],
    })),
  },
})

/** @param {string} path of a page, from the root of the repository */
function linkOf(path) {
  return `/${path.replace(/(README)?\.md$/, '')}`
}

/** @param {string} path */
function shortTitle(path) {
  if (path === 'README.md') return 'Overview'
  return titleOf(readFileSync(`${ROOT}${path}`, 'utf8'))
}

/** The reference that typedoc wrote: a page for each entry point. */
function api() {
  return [{ text: 'API', collapsed: false, items: ENTRIES.map(({ name, page }) => ({ text: name, link: page })) }]
}
