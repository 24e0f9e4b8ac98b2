import { dirname, resolve } from 'node:path'
import { defineConfig } from 'tsdown'
import { buildDashboardPage } from './scripts/dashboard-page.mjs'

/** One for each subpath in `exports` of package.json: dist/<entry>.mjs, .cjs, .d.mts and .d.cts. */
const PUBLIC = [
  'src/index.ts',
  'src/adapters/fastify.ts',
  'src/adapters/hono.ts',
  'src/adapters/nestjs.ts',
  'src/middleware/express.ts',
  'src/middleware/koa.ts',
  'src/observe/opentelemetry.ts',
  'src/observe/prometheus.ts',
  'src/testing/check-coherence.ts',
]

/** What rolldown tells of a module whose chunk is asked for. */
interface ChunkingContext {
  getModuleInfo(id: string): { readonly importers: readonly string[] } | null
}

/** Those that need `src/http`; the main entry point needs little of it. */
const MIDDLEWARES = PUBLIC.filter((file) => file.startsWith('src/middleware/'))

const COMMON = {
  platform: 'node',
  target: 'node20.19',
  clean: true,
} as const

// Nor from which file a part comes: some KB of the tarball.
const INPUT = { experimental: { attachDebugInfo: 'none' } } as const

/** CommonJS loads ioredis by require, and ESM by import. */
const REQUIRED = {
  name: 'ioredis-by-require',
  resolveId: (source: string, importer: string | undefined) =>
    importer !== undefined && source.endsWith('/load-ioredis.js')
      ? resolve(dirname(importer), source, '../require-ioredis.ts')
      : undefined,
}

/** What rolldown has written, before it is in files. */
interface WrittenBundle {
  readonly [fileName: string]: { readonly type: 'asset' } | { readonly type: 'chunk'; code: string }
}

/** Writes other characters as escapes: V8 keeps a source that is ASCII in half of the memory, and loads it faster. */
const ASCII = {
  name: 'ascii',
  generateBundle(_options: unknown, bundle: WrittenBundle) {
    for (const [name, file] of Object.entries(bundle)) {
      if (file.type === 'asset' || name.includes('.d.')) continue
      file.code = file.code.replaceAll(
        /[^\0-\x7f]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      )
    }
  },
}

export default defineConfig([
  {
    ...COMMON,
    // The command line uses the last one.
    entry: [...PUBLIC, 'src/inspect/index.ts'],
    format: ['esm', 'cjs'],
    dts: { entry: PUBLIC },
    inputOptions: ({ plugins, ...rest }, format) => ({
      ...rest,
      ...INPUT,
      plugins: [...(format === 'cjs' ? [REQUIRED] : []), ASCII, plugins],
    }),
    // The page of the dashboard, which browsers load.
    hooks: { 'build:done': () => buildDashboardPage() },
    // What a comment says to users is in the declarations.
    outputOptions: {
      comments: false,
      // What every user loads, by the order of the sources, in which the core imports none of the others: chunks that
      // require each other do not load. What is loaded on demand is left to chunks of its own, which import these.
      codeSplitting: {
        groups: [
          { name: nameOf('core', PUBLIC, /\/src\/(core\/|http\/port\/refresh-mark)/) },
          { name: nameOf('http', MIDDLEWARES, /\/src\/(http|middleware\/[\w-]+)\//) },
        ],
      },
    },
    // A default export reads differently from ESM and from CommonJS; this package has named ones only.
    cjsDefault: false,
  },
  {
    ...COMMON,
    // The command line: no module imports it. Each command is a file that is loaded when it is run.
    entry: ['src/cli/main.ts'],
    outDir: 'dist/cli',
    // No application loads it, and it prints no stack traces.
    minify: true,
    format: 'esm',
    dts: false,
    inputOptions: INPUT,
    outputOptions: { comments: false },
    plugins: [
      {
        name: 'the-library-beside',
        // It uses the library as it was built above.
        resolveId: (source: string) => {
          const [, name] = /^(?:\.\.\/)+(index|inspect\/index|middleware\/express)\.js$/.exec(source) ?? []
          return name === undefined ? undefined : { id: `../${name}.mjs`, external: true }
        },
      },
    ],
  },
])

/** Names a chunk for the sources in a folder that entry points import, and no chunk for those loaded on demand. */
function nameOf(name: string, entries: readonly string[], folder: RegExp) {
  const roots = entries.map((file) => resolve(file))
  const known = new Map<string, boolean>()
  return (id: string, context: ChunkingContext): string | null =>
    isSource(id) && folder.test(id) && isImported(id, context) ? name : null

  function isImported(id: string, context: ChunkingContext): boolean {
    const found = known.get(id)
    if (found !== undefined) return found
    known.set(id, roots.includes(id))
    known.set(
      id,
      roots.includes(id) || context.getModuleInfo(id)?.importers.some((one) => isImported(one, context)) === true,
    )
    return known.get(id) === true
  }
}

/** False for the declarations, which are bundled in the same run. */
function isSource(id: string): boolean {
  return id.endsWith('.ts') && !id.endsWith('.d.ts')
}
