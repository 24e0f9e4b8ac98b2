// The order of the documentation: the sidebar of the site and llms.txt follow this table. A page's title is its first heading.
// test/docs/site.test.ts holds that each page of docs/ is here once.

/** @type {readonly { readonly title: string, readonly pages: readonly string[] }[]} */
export const SECTIONS = [
  { title: 'Learn', pages: ['README.md'] },
  {
    title: 'Guides',
    pages: [
      'docs/inputs.md',
      'docs/middleware.md',
      'docs/stampedes.md',
      'docs/precompress.md',
      'docs/front-door.md',
      'docs/testing-your-app.md',
      'docs/explain.md',
    ],
  },
  {
    title: 'Operate',
    pages: ['docs/redis.md', 'docs/monitoring.md', 'docs/reliability.md', 'docs/testing.md', 'docs/security.md'],
  },
  {
    title: 'Reference',
    pages: ['docs/options.md', 'docs/reasons.md', 'docs/errors.md', 'CHANGELOG.md', 'SECURITY.md', 'CONTRIBUTING.md'],
  },
  {
    title: 'Understand',
    pages: ['docs/architecture.md', 'docs/coherence.md', 'docs/performance.md', 'docs/decisions/README.md'],
  },
]

export const PAGES = SECTIONS.flatMap(({ pages }) => pages)
