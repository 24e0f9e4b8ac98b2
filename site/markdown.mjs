import { posix } from 'node:path'

// What the site and its test read from a Markdown page.

/** `](target)`, with an optional title. */
const LINK = /(\]\()([^()\s]+)((?:\s+"[^"]*")?\))/g
const OTHER_SITE = /^[a-z][a-z\d+.-]*:|^\/\//i

/**
 * The text of the first heading, without its marks.
 *
 * @param {string} text of a page
 */
export function titleOf(text) {
  return plain(/^# (.+)$/m.exec(prose(text))?.[1] ?? '')
}

/**
 * The first paragraph of a page, on one line.
 *
 * @param {string} text of a page
 */
export function summaryOf(text) {
  const paragraph = prose(text)
    .split(/\n{2,}/)
    .find((part) => /^[A-Z`*]/.test(part.trim()))
  return plain((paragraph ?? '').replaceAll(/\s+/g, ' ').trim())
}

/**
 * The anchors of a page: those of its headings, made as GitHub makes them.
 *
 * @param {string} text of a page
 * @returns {ReadonlySet<string>}
 */
export function anchorsOf(text) {
  /** @type {Set<string>} */
  const anchors = new Set()
  for (const [, heading = ''] of prose(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = anchorOf(plain(heading))
    let free = anchor
    for (let number = 1; anchors.has(free); number++) free = `${anchor}-${number}`
    anchors.add(free)
  }
  return anchors
}

/** @param {string} heading without Markdown */
export function anchorOf(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-')
}

/**
 * The links of a page that stay within the repository.
 *
 * @param {string} text of a page
 * @param {string} page its path from the root of the repository
 * @returns {{ path: string, anchor: string }[]} `path` from the root of the repository
 */
export function linksOf(text, page) {
  return Array.from(prose(text).matchAll(LINK), ([, , target = '']) => target)
    .filter((target) => !OTHER_SITE.test(target))
    .map((target) => resolved(target, page))
}

/**
 * The page with other targets in its links; code blocks stay as they are.
 *
 * @param {string} text
 * @param {string} page its path from the root of the repository
 * @param {(path: string, anchor: string) => string} rename gives the new target
 */
export function withLinks(text, page, rename) {
  return mapProse(text, (part) =>
    part.replaceAll(LINK, (whole, before, target, after) => {
      if (OTHER_SITE.test(target)) return whole
      const { path, anchor } = resolved(target, page)
      return `${before}${rename(path, anchor)}${after}`
    }),
  )
}

/** @param {string} target @param {string} page */
function resolved(target, page) {
  const [file = '', anchor = ''] = target.split('#')
  return { path: file === '' ? page : posix.join(posix.dirname(page), file).replace(/\/$/, ''), anchor }
}

/** @param {string} text */
function prose(text) {
  /** @type {string[]} */
  const parts = []
  mapProse(text, (part) => {
    parts.push(part)
    return part
  })
  return parts.join('\n')
}

/** @param {string} text @param {(part: string) => string} change of what is outside of fenced code */
function mapProse(text, change) {
  return text
    .split(/^(```[\s\S]*?^```$)/m)
    .map((part, index) => (index % 2 === 1 ? part : change(part)))
    .join('')
}

/** @param {string} markdown of one line */
function plain(markdown) {
  return markdown.replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll(/[`*]/g, '')
}
