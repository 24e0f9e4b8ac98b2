import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const WHO = 'lint/style/noRestrictedImports'
const WHAT = 'lint/correctness/noUndeclaredDependencies'
const CYCLE = 'lint/suspicious/noImportCycles'

/** Lines that the linter refuses: the file, the line, the rule. */
const REFUSED: readonly (readonly [file: string, line: string, rule: string])[] = [
  ['src/core/a.ts', `import type { RequestHead } from '../http/port/exchange.js'`, WHO],
  ['src/core/b.ts', `export * from '../middleware/express.js'`, WHO],
  ['src/core/c.ts', `export * from '../index.js'`, WHO],
  ['src/core/d.ts', `import type { Redis } from 'ioredis'`, WHO],
  ['src/core/e.ts', `import type { Request } from 'express'`, WHO],
  ['src/core/f.ts', `import { LRUCache } from 'lru-cache'`, WHO],
  ['src/core/tiers/a.ts', `import { LRUCache } from 'lru-cache'`, WHO],
  ['src/core/coherence/a.ts', `export const later = import('../../http/port/exchange.js')`, WHO],
  // The order of the core: ground files, tiers, options and events, coherence, the cache.
  ['src/core/entry.ts', `export * from './tiers/memory-tier.js'`, WHO],
  ['src/core/mark.ts', `import type { Stamp } from './coherence/cover.js'`, WHO],
  ['src/core/value-store.ts', `export * from './coherence/cover.js'`, WHO],
  ['src/core/tiers/b.ts', `import type { Cover } from '../coherence/cover.js'`, WHO],
  ['src/core/tiers/c.ts', `import type { CacheEvents } from '../events.js'`, WHO],
  ['src/core/tiers/d.ts', `export * from '../entry-store.js'`, WHO],
  ['src/core/events.ts', `import type { Cover } from './coherence/cover.js'`, WHO],
  ['src/core/options.ts', `export * from './fallback-cache.js'`, WHO],
  ['src/core/coherence/c.ts', `import type { EntryStore } from '../entry-store.js'`, WHO],
  ['src/http/syntax/a.ts', `export * from '../../middleware/koa.js'`, WHO],
  ['src/http/rules/a.ts', `import type { Context } from 'koa'`, WHO],
  ['src/http/store/a.ts', `import type { Redis } from 'ioredis'`, WHO],
  // The wings of src/http: syntax, rules, port, store, protocol. Each may use those before it.
  ['src/http/syntax/b.ts', `export * from '../rules/vary.js'`, WHO],
  ['src/http/syntax/c.ts', `import type { RequestHead } from '../port/exchange.js'`, WHO],
  ['src/http/rules/b.ts', `import type { RequestHead } from '../port/exchange.js'`, WHO],
  ['src/http/rules/c.ts', `export * from '../store/variants.js'`, WHO],
  ['src/http/port/a.ts', `export * from '../store/variants.js'`, WHO],
  ['src/http/store/b.ts', `export * from '../protocol/policy.js'`, WHO],
  ['src/http/store/c.ts', `export const later = import('../protocol/policy.js')`, WHO],
  // Within src/http a file is imported by its name, not by way of an index.
  ['src/http/rules/d.ts', `export * from '../syntax/index.js'`, WHO],
  ['src/http/store/f.ts', `export * from '../rules/index.js'`, WHO],
  ['src/http/protocol/c.ts', `export * from '../store/index.js'`, WHO],
  // The middleware sees two files of src/http.
  ['src/middleware/express/d.ts', `export * from '../../http/rules/vary.js'`, WHO],
  ['src/middleware/koa/a.ts', `import type { RequestHead } from '../../http/port/exchange.js'`, WHO],
  ['src/middleware/node/a.ts', `import type { InputsRead } from '../../http/rules/inputs-read.js'`, WHO],
  ['src/middleware/express.ts', `import type { Context } from 'koa'`, WHO],
  ['src/middleware/koa.ts', `export * from './express.js'`, WHO],
  ['src/middleware/koa/b.ts', `export * from '../express/application.js'`, WHO],
  ['src/middleware/express/a.ts', `export * from '../koa.js'`, WHO],
  ['src/middleware/node/detached.ts', `import type { Request } from 'express'`, WHO],
  ['src/middleware/node/b.ts', `export * from '../front-door/front-door.js'`, WHO],
  ['src/middleware/node/c.ts', `export * from '../koa/body.js'`, WHO],
  ['src/middleware/node-internals/a.ts', `export * from '../node/node-response.js'`, WHO],
  ['src/middleware/front-door/a.ts', `export * from '../express.js'`, WHO],
  ['src/middleware/purge/a.ts', `export * from '../../http/port/index.js'`, WHO],
  ['src/middleware/koa/g.ts', `export * from '../purge/purge-order.js'`, WHO],
  // Its folders see the index of another one, and the frameworks not even that of node-internals.
  ['src/middleware/node/f.ts', `export * from '../node-internals/prepared-head.js'`, WHO],
  ['src/middleware/front-door/d.ts', `export * from '../node/node-response.js'`, WHO],
  ['src/middleware/koa/f.ts', `export * from '../node/node-response.js'`, WHO],
  ['src/middleware/koa/d.ts', `export * from '../node-internals/index.js'`, WHO],
  ['src/middleware/express/e.ts', `export * from '../front-door/front-door.js'`, WHO],
  ['src/middleware/front-door/b.ts', `import type { Context } from 'koa'`, WHO],
  ['src/index.ts', `export * from './middleware/express.js'`, WHO],
  ['src/dashboard/a.ts', `export * from '../core/fallback-cache.js'`, WHO],
  ['src/cli/a.ts', `export * from '../core/fallback-cache.js'`, WHO],
  ['src/cli/b.ts', `export * from '../inspect/redis-entries.js'`, WHO],
  ['src/inspect/a.ts', `export * from '../middleware/express.js'`, WHO],
  ['src/http/store/e.ts', `export * from '../../inspect/index.js'`, WHO],
  ['src/testing/a.ts', `export * from '../core/fallback-cache.js'`, WHO],
  ['src/http/protocol/a.ts', `export * from '../../testing/check-coherence.js'`, WHO],
  // A framework's types cost a user nothing; its code would have to be installed.
  ['src/middleware/response.js', `export { default } from 'express'`, WHAT],
  ['src/core/g.ts', `import request from 'supertest'`, WHAT],
]

/** Lines that it takes. */
const TAKEN: readonly (readonly [file: string, line: string])[] = [
  ['src/core/tiers/memory-tier.ts', `import { LRUCache } from 'lru-cache'`],
  ['src/core/duration.ts', `import { parse } from '@lukeed/ms'`],
  ['src/core/coherence/b.ts', `export * from '../clock.js'`],
  ['src/core/coherence/d.ts', `export * from '../tiers/memory-tier.js'`],
  ['src/core/entry-store.ts', `export * from './coherence/b.js'`],
  ['src/core/fallback-cache.ts', `export * from './entry-store.js'`],
  ['src/core/clock.ts', `export * from 'node:timers'`],
  ['src/http/syntax/d.ts', `export * from '../../core/clock.js'`],
  ['src/http/protocol/b.ts', `export * from '../syntax/d.js'`],
  ['src/http/store/d.ts', `export * from '../port/exchange.js'`],
  ['src/middleware/front-door/c.ts', `export * from '../../http/port/index.js'`],
  ['src/middleware/express/b.ts', `import type { Request } from 'express'`],
  ['src/middleware/express/c.ts', `export * from '../front-door/index.js'`],
  ['src/middleware/koa/e.ts', `export * from '../node/index.js'`],
  ['src/middleware/node/e.ts', `export * from '../node-internals/index.js'`],
  ['src/middleware/front-door/e.ts', `export * from '../node-internals/index.js'`],
  ['src/inspect/b.ts', `export * from '../http/store/d.js'`],
  ['src/cli/c.ts', `export * from '../inspect/index.js'`],
  ['src/dashboard/b.ts', `export * from '../inspect/index.js'`],
  ['src/middleware/koa/c.ts', `export * from '../../http/protocol/index.js'`],
]

describe('the linter', () => {
  let folder = ''
  let found: readonly string[] = []

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fallback-cache-lint-'))
    for (const name of ['biome.json', 'package.json']) copyFileSync(name, join(folder, name))
    for (const [file, line] of [...REFUSED, ...TAKEN]) write(join(folder, file), `${line}\n`)
    write(join(folder, 'src/http/ring-a.ts'), `import type { B } from './ring-b.js'\nexport type A = B\n`)
    write(join(folder, 'src/http/ring-b.ts'), `import type { A } from './ring-a.js'\nexport type B = A | 1\n`)
    write(join(folder, 'src/http/any.ts'), `export const loose = (value: unknown) => value as any\n`)
    write(join(folder, 'src/http/bang.ts'), `export const first = (values: string[]) => values[0]!.length\n`)
    found = await lint(folder)
  }, 60_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each(REFUSED)('refuses in %s: %s', (file, _line, rule) => {
    expect(found).toContain(`${file} ${rule}`)
  })

  it.each(TAKEN)('takes in %s: %s', (file) => {
    expect(
      found.filter((finding) => finding.startsWith(`${file} `) && /noRestricted|Undeclared|Cycles/.test(finding)),
    ).toEqual([])
  })

  it('refuses a circle of imports, of types too', () => {
    expect(found).toContain(`src/http/ring-a.ts ${CYCLE}`)
  })

  it('refuses any and non-null assertions', () => {
    expect(found).toContain('src/http/any.ts lint/suspicious/noExplicitAny')
    expect(found).toContain('src/http/bang.ts lint/style/noNonNullAssertion')
  })
})

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** Every error in the folder, as `file rule`. */
async function lint(folder: string): Promise<string[]> {
  const biome = resolve('node_modules/@biomejs/biome/bin/biome')
  const args = [
    'lint',
    '--vcs-enabled=false',
    '--max-diagnostics=none',
    '--diagnostic-level=error',
    '--reporter=github',
    '.',
  ]
  const { stdout } = await promisify(execFile)(process.execPath, [biome, ...args], { cwd: folder }).catch(
    (refusal) => refusal,
  )
  return Array.from(String(stdout).matchAll(/::error title=(\S+?),file=([^,]+),/g), ([, rule, file = '']) => {
    return `${relative(folder, resolve(folder, file))} ${rule}`
  })
}
