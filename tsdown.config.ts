import { defineConfig } from 'tsdown'
import { buildDashboardPage } from './scripts/dashboard-page.mjs'

/** One entry for each subpath in `exports` and each command in `bin` of package.json: dist/<entry>.mjs, .cjs, .d.mts and .d.cts. */
export default defineConfig({
  entry: [
    'src/index.ts',
    'src/middleware/express.ts',
    'src/middleware/koa.ts',
    'src/observe/opentelemetry.ts',
    'src/observe/prometheus.ts',
    'src/testing/check-coherence.ts',
    'src/testing/command.ts',
  ],
  format: ['esm', 'cjs'],
  dts: true,
  platform: 'node',
  target: 'node20.19',
  clean: true,
  // The page of the dashboard, which browsers load.
  hooks: { 'build:done': () => buildDashboardPage() },
  // What a comment says to users is in the declarations.
  outputOptions: {
    comments: false,
    // By the order of the sources, in which the core imports none of the others: chunks that require each other do not load.
    codeSplitting: {
      groups: [
        { name: 'core', test: (id) => isSource(id) && /\/src\/(core\/|http\/port\/refresh-mark)/.test(id) },
        { name: 'http', test: (id) => isSource(id) && /\/src\/(http|middleware\/[\w-]+)\//.test(id) },
      ],
    },
  },
  // Nor from which file a part comes: some KB of the tarball.
  inputOptions: { experimental: { attachDebugInfo: 'none' } },
  // A default export reads differently from ESM and from CommonJS; this package has named ones only.
  cjsDefault: false,
})

/** False for the declarations, which are bundled in the same run. */
function isSource(id: string): boolean {
  return id.endsWith('.ts') && !id.endsWith('.d.ts')
}
