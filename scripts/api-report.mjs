import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

// npm run api: writes the signatures of everything that users can import, one report an entry, to api/. A test compares them.

const root = fileURLToPath(new URL('..', import.meta.url))

/** The entries by their report. Each report leaves out what an earlier one has. */
const ENTRIES = {
  index: ['fallback-cache', 'src/index'],
  express: ['fallback-cache/express', 'src/middleware/express'],
  koa: ['fallback-cache/koa', 'src/middleware/koa'],
  fastify: ['fallback-cache/fastify', 'src/adapters/fastify'],
  hono: ['fallback-cache/hono', 'src/adapters/hono'],
  nestjs: ['fallback-cache/nestjs', 'src/adapters/nestjs'],
  opentelemetry: ['fallback-cache/opentelemetry', 'src/observe/opentelemetry'],
  prometheus: ['fallback-cache/prometheus', 'src/observe/prometheus'],
  testing: ['fallback-cache/testing', 'src/testing/check-coherence'],
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(apiReports())) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

/** @returns {Readonly<Record<string, string>>} the reports by their path */
export function apiReports() {
  const program = declarations()
  const checker = program.getTypeChecker()
  const index = entryOf(program, ENTRIES.index[1] ?? '')
  const inIndex = new Set([...exportsOf(checker, index).values(), ...reachedFrom(checker, index)])
  return Object.fromEntries(
    Object.entries(ENTRIES).map(([report, [name = '', path = '']]) => {
      const entry = entryOf(program, path)
      return [`api/${report}.md`, reportOf(checker, entry, name, entry === index ? new Set() : inIndex)]
    }),
  )
}

/**
 * @param {ts.TypeChecker} checker
 * @param {ts.SourceFile} entry
 * @param {string} name of the entry
 * @param {ReadonlySet<ts.Symbol>} elsewhere what the report of `fallback-cache` has
 */
function reportOf(checker, entry, name, elsewhere) {
  const exported = exportsOf(checker, entry)
  const own = new Set(exported.values())
  const reached = reachedFrom(checker, entry).filter((symbol) => !own.has(symbol))
  const augmented = entry.statements.filter((statement) => ts.isModuleDeclaration(statement)).map(textOf)
  const unexported = reached.filter((symbol) => !elsewhere.has(symbol))
  return [
    `# API of \`${name}\``,
    'Written from the source by `npm run api`: a difference here is a change of what users can rely on.',
    '## Exports',
    ...sections([...exported]),
    ...(augmented.length === 0 ? [] : ['## Declared in other modules', fenced(augmented)]),
    ...(unexported.length === 0 ? [] : ['## Types that these name and that are not exported']),
    ...sections(unexported.map((symbol) => [symbol.name, symbol])),
  ]
    .join('\n\n')
    .concat('\n')
}

/** @param {(readonly [string, ts.Symbol])[]} named */
function sections(named) {
  return named
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, symbol]) => `### ${name}\n\n${fenced((symbol.declarations ?? []).map(textOf))}`)
}

/** @param {readonly string[]} texts */
function fenced(texts) {
  return `\`\`\`ts\n${texts.join('\n')}\n\`\`\``
}

/** @param {ts.Node} declaration */
function textOf(declaration) {
  const whole = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  return whole
    .getText()
    .replace(/^export (?:declare )?|^declare /, '')
    .replace(/^ *#private;\n/gm, '')
    .replace(/^(?: {4})+/gm, (spaces) => spaces.slice(spaces.length / 2))
}

/**
 * @param {ts.TypeChecker} checker
 * @param {ts.SourceFile} entry
 * @returns {Map<string, ts.Symbol>}
 */
function exportsOf(checker, entry) {
  const module = checker.getSymbolAtLocation(entry)
  if (module === undefined) throw new Error(`${entry.fileName} exports nothing`)
  return new Map(checker.getExportsOfModule(module).map((symbol) => [symbol.name, resolved(checker, symbol)]))
}

/**
 * What declarations of this package the exports of an entry name, themselves or through others.
 *
 * @param {ts.TypeChecker} checker
 * @param {ts.SourceFile} entry
 */
function reachedFrom(checker, entry) {
  const exported = [...exportsOf(checker, entry).values()]
  /** @type {Set<ts.Symbol>} */
  const seen = new Set(exported)
  const todo = [...exported]
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isIdentifier(node)) {
      const symbol = resolved(checker, checker.getSymbolAtLocation(node))
      if (symbol !== undefined && !seen.has(symbol) && symbol.declarations?.some(isOwnStatement)) {
        seen.add(symbol)
        todo.push(symbol)
      }
    }
    ts.forEachChild(node, visit)
  }
  for (const statement of entry.statements) if (ts.isModuleDeclaration(statement)) visit(statement)
  for (let symbol = todo.pop(); symbol !== undefined; symbol = todo.pop()) symbol.declarations?.forEach(visit)
  return [...seen].filter((symbol) => !exported.includes(symbol))
}

/**
 * A declaration of this package at the top of its file.
 *
 * @param {ts.Declaration} declaration
 */
function isOwnStatement(declaration) {
  const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  if (ts.isModuleDeclaration(statement)) return false
  return ts.isSourceFile(statement.parent) && statement.getSourceFile().fileName.startsWith(`${root}src/`)
}

/**
 * @template {ts.Symbol | undefined} T
 * @param {ts.TypeChecker} checker
 * @param {T} symbol
 * @returns {T}
 */
function resolved(checker, symbol) {
  if (symbol === undefined || (symbol.flags & ts.SymbolFlags.Alias) === 0) return symbol
  return /** @type {T} */ (checker.getAliasedSymbol(symbol))
}

/**
 * @param {ts.Program} program
 * @param {string} path without extension
 */
function entryOf(program, path) {
  const file = program.getSourceFile(`${root}${path}.d.ts`)
  if (file === undefined) throw new Error(`there is no declaration of ${path}`)
  return file
}

/** A program of the declarations of `src`, as a build would write them, without comments. */
function declarations() {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  const emit = { noEmit: false, noCheck: true, declaration: true, emitDeclarationOnly: true, removeComments: true }
  const compilerOptions = {
    ...config.compilerOptions,
    ...emit,
    incremental: false,
    allowJs: false,
    checkJs: false,
    paths: {},
  }
  const { options } = ts.parseJsonConfigFileContent({ compilerOptions, files: ['src/index.ts'] }, ts.sys, root)
  const paths = Object.values(ENTRIES).map(([, path]) => `${root}${path}`)
  /** @type {Map<string, string>} */
  const texts = new Map()
  const sources = ts.createProgram(
    paths.map((path) => `${path}.ts`),
    options,
  )
  sources.emit(undefined, (path, text) => texts.set(path, text))
  const host = ts.createCompilerHost(options)
  const { readFile, fileExists, getSourceFile } = host
  host.readFile = (path) => texts.get(path) ?? readFile(path)
  // The sources are not there any more, so that imports find the declarations.
  host.fileExists = (path) => texts.has(path) || (!path.startsWith(`${root}src/`) && fileExists(path))
  host.getSourceFile = (path, language, ...rest) => {
    const text = texts.get(path)
    if (text !== undefined) return ts.createSourceFile(path, text, language, true)
    return sources.getSourceFile(path) ?? getSourceFile(path, language, ...rest)
  }
  return ts.createProgram(
    paths.map((path) => `${path}.d.ts`),
    options,
    host,
  )
}
