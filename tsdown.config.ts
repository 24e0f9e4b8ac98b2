import { defineConfig } from 'tsdown'

/** One entry for each subpath in `exports` of package.json: dist/<entry>.mjs, .cjs, .d.mts and .d.cts. */
export default defineConfig({
  entry: ['src/index.ts', 'src/middleware/express.ts', 'src/middleware/koa.ts'],
  format: ['esm', 'cjs'],
  dts: true,
  platform: 'node',
  target: 'node20.19',
  clean: true,
  // A default export reads differently from ESM and from CommonJS; this package has named ones only.
  cjsDefault: false,
})
