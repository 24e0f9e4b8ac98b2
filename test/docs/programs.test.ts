import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ExampleProcess } from '../examples/example-process.js'

/** The pages whose programs can be run as they stand. */
const PAGES = [
  'README.md',
  'docs/front-door.md',
  'docs/precompress.md',
  'docs/middleware.md',
  'docs/explain.md',
  'docs/testing.md',
  'docs/testing-your-app.md',
]

/** What the programs leave to the reader, in the fewest words. */
const LEFT_TO_THE_READER = `
import type { Request, Response } from 'express'
let made = 0
async function makeReport() { return { made: ++made, text: 'report '.repeat(300) } }
async function whoAsks(req: Request) { return req.get('cookie') === undefined ? undefined : { id: 'ann' } }
async function findProduct(id: string | string[]) { return { id, made: ++made } }
async function runQuery(query: string) {
  made += 1
  return query.includes('broken') ? { data: { made }, errors: [{ message: 'broken' }] } : { data: { made } }
}
async function saveProduct(_req: Request) {}
const showProduct = async (req: Request, res: Response) => { res.json(await findProduct(req.params.id ?? '')) }
void [makeReport, runQuery, whoAsks, findProduct, saveProduct, showProduct]
`

const root = fileURLToPath(new URL('../..', import.meta.url))
const programs = PAGES.flatMap((page) =>
  [...readFileSync(`${root}${page}`, 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = ''], index) => ({
    name: `${page.replace(/^.*\/|\.md$/g, '').toLowerCase()}-${index + 1}.ts`,
    code,
    isServer: code.includes('.listen(3000)'),
    // It compares two processes over one Redis.
    isRun: !code.includes('checkCoherence'),
  })),
)
const folder = 'examples/.readme'

describe('the programs of the documentation', () => {
  beforeAll(() => {
    mkdirSync(`${root}${folder}`, { recursive: true })
    for (const { name, code } of programs) {
      const port = `.listen(0, function (this: any) { console.log('port ' + (this ?? {}).address?.().port) })`
      writeFileSync(
        `${root}${folder}/${name}`,
        `${LEFT_TO_THE_READER}${code.replace('.listen(3000)', port)}\nexport {}\n`,
      )
    }
  })

  afterAll(() => {
    rmSync(`${root}${folder}`, { recursive: true, force: true })
  })

  it('are found', () => {
    expect(programs.length).toBeGreaterThanOrEqual(PAGES.length + 5)
  })

  it('compile under strict', () => {
    const config = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
    const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root)
    const files = programs.map(({ name }) => `${root}${folder}/${name}`)
    const program = ts.createProgram(files, {
      ...options,
      incremental: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
    })
    const complaints = files.flatMap((file) => {
      const source = program.getSourceFile(file)
      return source === undefined ? [`${file} is missing`] : ts.getPreEmitDiagnostics(program, source).map(complaint)
    })
    expect(complaints).toEqual([])
  }, 60_000)

  for (const { name, code, isServer } of programs.filter(({ isRun }) => isRun)) {
    if (!isServer) {
      it(`${name} runs to its end`, async () => {
        const example = new ExampleProcess(`.readme/${name}`)
        const { code: exitCode, output } = await example.ended()
        expect(output).toMatch(/^closed$|would be: /m)
        expect(exitCode).toBe(0)
      })
      continue
    }
    it(`${name} answers from the cache the second time`, async () => {
      const example = new ExampleProcess(`.readme/${name}`)
      const port = (await example.printed(/port (\d+)/)).slice(5)
      const path = pathIn(code)
      const first = await fetch(`http://localhost:${port}${path}`)
      const second = await fetch(`http://localhost:${port}${path}`)
      expect(await second.json()).toEqual(await first.json())
      expect(second.headers.get('cache-status')).toMatch(/^fallback-cache; hit; ttl=\d+; detail=memory$/)
      await checkWrites(port, code)
      await checkErrors(port, code)
      await example.stop()
    })
  }
})

function pathIn(code: string): string {
  if (code.includes('/graphql')) return '/graphql?query={made}'
  return code.includes('/products/') ? '/products/1' : '/report'
}

/** The program that answers errors with 200: they are not stored. */
async function checkErrors(port: string, code: string): Promise<void> {
  if (!code.includes('/graphql')) return
  for (let run = 0; run < 2; run++) {
    const answer = await fetch(`http://localhost:${port}/graphql?query={broken}`)
    expect([answer.status, answer.headers.get('cache-status')]).toEqual([
      200,
      'fallback-cache; fwd=uri-miss; fwd-status=200; detail=cache-if',
    ])
    expect(await answer.json()).toHaveProperty('errors')
  }
}

/** The programs that write: the next read is new. */
async function checkWrites(port: string, code: string): Promise<void> {
  const [, method = '', path = ''] = /app\.(post|put)\('([^']+):id'/.exec(code) ?? []
  if (method === '') return
  const written = await fetch(`http://localhost:${port}${path}1`, { method: method.toUpperCase() })
  expect(written.status).toBe(204)
  const read = await fetch(`http://localhost:${port}/products/1`)
  expect(read.headers.get('cache-status')).toContain('fwd=uri-miss')
}

function complaint({ messageText, file, start }: ts.Diagnostic): string {
  const line = file === undefined || start === undefined ? '' : file.getLineAndCharacterOfPosition(start).line
  return `${file?.fileName.split('/').pop()}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
}
