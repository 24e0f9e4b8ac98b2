// The order of the documentation: the sidebar of the site and llms.txt follow this table. A page's title is its first heading.
// test/docs/site.test.ts holds that each page of docs/ is here once.

/** @type {readonly { readonly title: string, readonly pages: readonly string[] }[]} */
export const SECTIONS = [
  {
    title: 'Learn',
    pages: [
      'README.md',
      'docs/getting-started-express.md',
      'docs/getting-started-koa.md',
      'docs/introduction.md',
      'docs/migration.md',
      'docs/questions.md',
    ],
  },
  {
    title: 'Guides',
    pages: [
      'docs/how-it-decides.md',
      'docs/inputs.md',
      'docs/middleware.md',
      'docs/invalidation.md',
      'docs/personal-pages.md',
      'docs/stampedes.md',
      'docs/precompress.md',
      'docs/behind-a-cdn.md',
      'docs/webhooks.md',
      'docs/multi-tenant.md',
      'docs/frameworks.md',
      'docs/serverless.md',
      'docs/front-door.md',
      'docs/testing-your-app.md',
      'docs/shadow.md',
      'docs/explain.md',
    ],
  },
  {
    title: 'Operate',
    pages: [
      'docs/redis.md',
      'docs/deployments.md',
      'docs/monitoring.md',
      'docs/dashboard.md',
      'docs/cli.md',
      'docs/tracing.md',
      'docs/reliability.md',
      'docs/runbook.md',
      'docs/security.md',
    ],
  },
  {
    title: 'Reference',
    pages: [
      'docs/options.md',
      'docs/reasons.md',
      'docs/errors.md',
      'docs/compatibility.md',
      'docs/releases.md',
      'CHANGELOG.md',
      'SECURITY.md',
      'CONTRIBUTING.md',
    ],
  },
  {
    title: 'Understand',
    pages: [
      'docs/architecture.md',
      'docs/coherence.md',
      'docs/large-fleets.md',
      'docs/performance.md',
      'docs/testing.md',
      'docs/decisions/README.md',
    ],
  },
]

export const PAGES = SECTIONS.flatMap(({ pages }) => pages)
