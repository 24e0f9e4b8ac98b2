import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'

// npm run house: the structure of src in figures, and unclear words everywhere. test/house/structure.test.ts holds the limits.

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The folders of a part of src, in the order in which they may use each other: each those before it. `''` is the part's own files. */
export const WINGS = {
  http: ['syntax', 'rules', 'port', 'store', 'shadow', 'protocol'],
  middleware: ['node-internals', 'node', 'front-door', 'dashboard', 'purge', 'koa', 'express', ''],
}

const MAX_FUNCTION_LINES = 60
const MAX_PARAMETERS = 4
/** Signs of a sentence that needs the one before it; see "Language" in CONTRIBUTING.md. */
const UNCLEAR_WORDS = /\b(nobody|somebody|whoever|whatever|anew|meanwhile)\b/gi

/**
 * @typedef {{ file: string, line: number, text: string }} Place
 * @typedef {{ from: string, to: string, files: string }} Arrow
 */

/** Folders of code besides src, and of pages: their words are counted too. */
const TEXTS = [
  'test',
  'bench',
  'examples',
  'scripts',
  'site',
  'docs',
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'HISTORY.md',
]

/** The figures of the sources under `src`, and the unclear words of all texts. */
export function measure(root = ROOT) {
  const files = sources(join(root, 'src')).map((path) => read(root, path))
  return {
    files: files.length,
    lines: files.map(({ file, text }) => ({ file, lines: text.split('\n').length - 1 })).sort(byLines),
    longFunctions: files.flatMap(longFunctions),
    longSignatures: files.flatMap(longSignatures),
    casts: files.flatMap(casts),
    arrows: files.flatMap((source) => arrows(root, source)),
    sameNames: sameNames(files),
    unclearWords: [...files, ...TEXTS.flatMap((place) => texts(root, place))].flatMap(unclearWords),
  }
}

/** @param {string} folder @returns {string[]} */
function sources(folder) {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file))
    .sort()
}

/** @param {string} root @param {string} path */
function read(root, path) {
  const text = readFileSync(path, 'utf8')
  const node = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  return { file: relative(root, path), text, node }
}

/** @typedef {ReturnType<typeof read>} Source */

/** @param {{ lines: number }} one @param {{ lines: number }} other */
function byLines(one, other) {
  return other.lines - one.lines
}

/** @param {Source} source @returns {(Place & { lines: number })[]} */
function longFunctions({ file, node }) {
  return collect(node, (each) => {
    if (!ts.isFunctionLike(each) || !('body' in each) || each.body === undefined) return undefined
    const first = lineOf(node, each.getStart())
    const lines = lineOf(node, each.end) - first + 1
    return lines > MAX_FUNCTION_LINES ? { file, line: first, text: nameOf(each), lines } : undefined
  })
}

/** Functions and constructors; a type of a function counts as well. @param {Source} source @returns {Place[]} */
function longSignatures({ file, node }) {
  return collect(node, (each) => {
    if (!ts.isFunctionLike(each) || each.parameters.length <= MAX_PARAMETERS) return undefined
    return { file, line: lineOf(node, each.getStart()), text: `${nameOf(each)} (${each.parameters.length})` }
  })
}

/** Casts by way of `unknown`, which no compiler checks. @param {Source} source @returns {Place[]} */
function casts({ file, node }) {
  return collect(node, (each) => {
    if (!ts.isAsExpression(each) || !ts.isAsExpression(each.expression)) return undefined
    if (each.expression.type.kind !== ts.SyntaxKind.UnknownKeyword) return undefined
    return { file, line: lineOf(node, each.getStart()), text: each.getText().replace(/\s+/g, ' ').slice(0, 80) }
  })
}

/** Imports from one folder of a part of src to another; `isAgainst`: to one that comes later in {@link WINGS}. @param {string} root @param {Source} source */
function arrows(root, { file, node }) {
  return collect(node, (each) => {
    const named = (ts.isImportDeclaration(each) || ts.isExportDeclaration(each)) && each.moduleSpecifier
    if (!named || !ts.isStringLiteral(named) || !named.text.startsWith('.')) return undefined
    const target = relative(root, normalize(join(root, dirname(file), named.text)))
    const from = wingOf(file)
    const to = wingOf(target)
    if (from === undefined || to === undefined || from.part !== to.part || from.wing === to.wing) return undefined
    const order = WINGS[from.part]
    return {
      part: from.part,
      from: from.wing,
      to: to.wing,
      isAgainst: order.indexOf(to.wing) > order.indexOf(from.wing),
      place: `${file} → ${target}`,
    }
  })
}

/** @param {string} file @returns {{ part: keyof typeof WINGS, wing: string } | undefined} */
function wingOf(file) {
  const [src, part, wing, rest] = file.split('/')
  if (src !== 'src' || (part !== 'http' && part !== 'middleware') || wing === undefined) return undefined
  return { part, wing: rest === undefined ? '' : wing }
}

/** Names that two files declare and export. @param {Source[]} files @returns {string[]} */
function sameNames(files) {
  /** @type {Map<string, string[]>} */
  const found = new Map()
  for (const { file, node } of files) {
    for (const statement of node.statements) {
      if (!ts.canHaveModifiers(statement)) continue
      if (!ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) continue
      for (const name of new Set(declaredNames(statement))) found.set(name, [...(found.get(name) ?? []), file])
    }
  }
  return Array.from(found).flatMap(([name, places]) => {
    // Each framework has a middleware of that name, in an entry of its own.
    const others = places.filter(
      (place) => !/^src\/(middleware\/(express|koa)|adapters\/(fastify|hono))\.ts$/.test(place),
    )
    return others.length > 1 || (others.length === 1 && places.length > 1) ? [`${name}: ${places.join(', ')}`] : []
  })
}

/** @param {ts.Statement} statement @returns {string[]} */
function declaredNames(statement) {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText())
  }
  const { name } = /** @type {{ name?: ts.Node }} */ (/** @type {unknown} */ (statement))
  return name === undefined ? [] : [name.getText()]
}

/** @param {string} root @param {string} place a folder or a file @returns {{ file: string, text: string }[]} */
function texts(root, place) {
  const path = join(root, place)
  const names = statSync(path).isFile() ? [''] : readdirSync(path, { recursive: true, encoding: 'utf8' })
  return (
    names
      .map((name) => join(place, name))
      .filter((file) => /\.(ts|[mc]?js|md|html)$/.test(file) && !/node_modules|test\/vectors|\/dist\//.test(file))
      // The list of these words.
      .filter((file) => file !== 'scripts/house.mjs')
      .map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }))
  )
}

/** @param {{ file: string, text: string }} source @returns {Place[]} */
function unclearWords({ file, text }) {
  return text
    .split('\n')
    .flatMap((line, at) =>
      Array.from(line.matchAll(UNCLEAR_WORDS), ([word]) => ({ file, line: at + 1, text: word.toLowerCase() })),
    )
}

/**
 * @template T
 * @param {ts.Node} root
 * @param {(node: ts.Node) => T | undefined} pick
 * @returns {T[]}
 */
function collect(root, pick) {
  /** @type {T[]} */
  const found = []
  /** @param {ts.Node} node */
  const visit = (node) => {
    const picked = pick(node)
    if (picked !== undefined) found.push(picked)
    ts.forEachChild(node, visit)
  }
  visit(root)
  return found
}

/** @param {ts.SourceFile} node @param {number} position */
function lineOf(node, position) {
  return node.getLineAndCharacterOfPosition(position).line + 1
}

/** @param {ts.SignatureDeclaration} node */
function nameOf(node) {
  if (ts.isConstructorDeclaration(node)) return 'constructor'
  return node.name?.getText() ?? '(anonymous)'
}

function print() {
  const { files, lines, longFunctions, longSignatures, casts, arrows, sameNames, unclearWords } = measure()
  const [longest] = lines
  console.log(`files: ${files}, ${lines.reduce((sum, { lines }) => sum + lines, 0)} lines`)
  console.log(`  median ${lines[Math.floor(files / 2)]?.lines} lines, longest ${longest?.file} (${longest?.lines})`)
  section(
    'files over 250 lines',
    lines.filter(({ lines }) => lines > 250).map(({ file, lines }) => `${file} (${lines})`),
  )
  section(
    'functions over 60 lines',
    longFunctions.map((place) => `${at(place)} (${place.lines})`),
  )
  section('signatures over four parameters', longSignatures.map(at))
  section('casts by way of unknown', casts.map(at))
  for (const part of /** @type {(keyof typeof WINGS)[]} */ (Object.keys(WINGS))) {
    const own = arrows.filter((arrow) => arrow.part === part)
    const pairs = new Set(own.map(({ from, to }) => `${from || part} → ${to || part}`))
    section(`arrows between the wings of src/${part}: ${own.length} imports`, [...pairs].sort())
  }
  section(
    'arrows against the order',
    arrows.filter(({ isAgainst }) => isAgainst).map(({ place }) => place),
  )
  section('names exported by two files', sameNames)
  section('unclear words', unclearWords.map(at))
}

/** @param {string} title @param {readonly string[]} found */
function section(title, found) {
  console.log(`${title}: ${found.length}`)
  for (const each of found.slice(0, 60)) console.log(`  ${each}`)
  if (found.length > 60) console.log(`  … and ${found.length - 60} more`)
}

/** @param {Place} place */
function at({ file, line, text }) {
  return `${file}:${line} ${text}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) print()
