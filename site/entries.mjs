import { readFileSync } from 'node:fs'

/** @type {{ exports: Record<string, string | { import: { default: string } }> }} */
const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))

/** The entry points of the package: the name that users import, the source, and the page of the reference. */
export const ENTRIES = Object.entries(exports).flatMap(([name, target]) => {
  if (typeof target === 'string') return []
  const path = target.import.default.replace(/^\.\/dist\/|\.mjs$/g, '')
  return [{ name: `fallback-cache${name.slice(1)}`, source: `src/${path}.ts`, page: `/api/${path}` }]
})
