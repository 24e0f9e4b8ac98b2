import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { table as tracersTable } from './apm.mjs'
import { leastRules } from './redis-commands.mjs'
import { FLEETS, sizingTable } from './sizing.mjs'

// npm run docs: writes the pages that say what the source says already, docs/options.md and docs/reasons.md, the permissions in
// docs/redis.md, the lists in docs/inputs.md, the figures in docs/large-fleets.md and a table in docs/tracing.md. A test compares them with
// what would be written.

const root = fileURLToPath(new URL('..', import.meta.url))

/** @returns {Readonly<Record<string, string>>} the pages by their path */
export function generatedPages() {
  return {
    'docs/options.md': optionsPage(),
    'docs/reasons.md': reasonsPage(),
    'docs/redis.md': redisPage(),
    'docs/inputs.md': inputsPage(),
    'docs/large-fleets.md': fleetsPage(),
    'docs/tracing.md': tracingPage(),
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(generatedPages())) writeFileSync(`${root}${path}`, text)
}

/** The lists of src/http/rules by the name that docs/inputs.md gives them, as they are printed. */
function lists() {
  return {
    'credential fields': meanings('credential-names', 'CREDENTIAL_FIELDS', 'fields'),
    'everyday fields': meanings('credential-names', 'EVERYDAY_FIELDS', 'fields'),
    'credential cookies': meanings('credential-names', 'CREDENTIAL_COOKIES', 'cookies'),
    'everyday cookies': meanings('everyday-cookies', 'EVERYDAY_COOKIES', 'service'),
    'neutral fields': words('neutral-fields', 'NEUTRAL_FIELDS'),
    'neutral response fields': words('neutral-response-fields', 'NEUTRAL_RESPONSE_FIELDS'),
    'telling names': words('filled-names', 'TELLING_NAMES'),
    'neutral names': words('filled-names', 'NEUTRAL_NAMES'),
    'endless types': words('endless-types', 'ENDLESS_TYPES'),
  }
}

/** What other tracers report, as npm run apm measures it. */
function tracingPage() {
  const page = readFileSync(`${root}docs/tracing.md`, 'utf8')
  return page.replace(/(<!-- tracers -->\n)[\s\S]*?(<!-- \/tracers -->)/, `$1\n${tracersTable()}\n\n$2`)
}

/** The calculated figures. */
function fleetsPage() {
  const page = readFileSync(`${root}docs/large-fleets.md`, 'utf8')
  return page.replace(/(<!-- fleets: [^\n]* -->\n)[\s\S]*?(<!-- \/fleets -->)/, `$1${sizingTable(FLEETS)}\n$2`)
}

function inputsPage() {
  const known = new Map(Object.entries(lists()))
  const page = readFileSync(`${root}docs/inputs.md`, 'utf8')
  const written = page.replace(/(<!-- list: ([^\n]*?) -->\n)[\s\S]*?(<!-- \/list -->)/g, (_, begin, name, end) => {
    const text = known.get(name)
    if (text === undefined) throw new Error(`docs/inputs.md wants a list "${name}", and there is none`)
    known.delete(name)
    return `${begin}\n${text}\n\n${end}`
  })
  if (known.size > 0) throw new Error(`docs/inputs.md prints no ${[...known.keys()].join(', ')}`)
  return written
}

/**
 * A table of the regular expressions of a list in src/http/rules, each under a comment that says what it means.
 *
 * @param {string} file
 * @param {string} name
 * @param {string} title of the first column
 */
function meanings(file, name, title) {
  const path = `src/http/rules/${file}.ts`
  const list = initializer(path, name)
  if (!ts.isArrayLiteralExpression(list)) throw new Error(`${name} in ${path} is no list`)
  const rows = list.elements.map((element) => {
    const [comment] = ts.getLeadingCommentRanges(source(path).text, element.pos) ?? []
    if (comment === undefined) throw new Error(`${name} in ${path} holds ${element.getText()} without a comment`)
    const meaning = source(path)
      .text.slice(comment.pos + 2, comment.end)
      .trim()
    return `| ${meaning} | \`${read(element).replaceAll('|', '\\|')}\` |`
  })
  return [`| ${title} | names |`, '|---|---|', ...rows].join('\n')
}

/**
 * The words of a list in src/http/rules.
 *
 * @param {string} file
 * @param {string} name
 */
function words(file, name) {
  return constant(`src/http/rules/${file}.ts`, name)
    .map((word) => `\`${word}\``)
    .join(', ')
}

/**
 * The texts of a constant: a list, a list of lists, or a set.
 *
 * @param {string} path
 * @param {string} name
 * @returns {any[]}
 */
function constant(path, name) {
  return read(initializer(path, name))
}

/** @param {ts.Expression | undefined} value @returns {any} */
function read(value) {
  if (value !== undefined && ts.isStringLiteralLike(value)) return value.text
  if (value !== undefined && ts.isArrayLiteralExpression(value)) return value.elements.map(read)
  if (value !== undefined && ts.isNewExpression(value)) return read(value.arguments?.[0])
  throw new Error('a list holds something else than texts and lists')
}

/**
 * What a constant is set to.
 *
 * @param {string} path
 * @param {string} name
 */
function initializer(path, name) {
  for (const statement of source(path).statements) {
    if (!ts.isVariableStatement(statement)) continue
    const found = statement.declarationList.declarations.find((one) => one.name.getText() === name)
    if (found?.initializer !== undefined) return found.initializer
  }
  throw new Error(`${path} declares no ${name}`)
}

function redisPage() {
  const page = readFileSync(`${root}docs/redis.md`, 'utf8')
  const rules = `\`\`\`text\nACL SETUSER shop ${leastRules('shop:')}\n\`\`\``
  return page.replace(/(<!-- acl: [^\n]*-->\n)[\s\S]*?(<!-- \/acl -->)/, (_, begin, end) => `${begin}${rules}\n${end}`)
}

function optionsPage() {
  return `# Options

This page is generated from the source by \`npm run docs\`. \`undefined\` means the default. An unknown name, \`null\`, or a value of the wrong type or out of
range is an error at construction. A duration that a timer measures is at most 24 days; a lifetime has no limit. A list has at most 1000 names of at most 256 characters.

## In short

\`\`\`js
const cached = fallbackCache({
  ttl: '5m', // of responses that state no lifetime
  staleIfError: '1h', // an old response instead of an error
  redis: process.env.REDIS_URL, // shared by all processes
  keyPrefix: 'shop:', // of this application, on that Redis
})
app.use(cached)
app.get('/news', cached.with({ ttl: '10s' }), showNews) // another lifetime in the same cache
\`\`\`

| for | options |
|---|---|
| lifetimes | \`ttl\`, \`statusTtl\`, \`staleWhileRevalidate\`, \`staleIfError\`, \`targets\`, \`heuristic\`, \`lifetimeJitter\`, \`earlyRefresh\`; of values \`defaultTtl\` |
| what a response depends on | \`user\`, \`vary\`, \`query\`, \`key\`, \`group\`, \`inputs\`, \`cookies\`, \`noVarySearch\`, \`maxVariants\` |
| what is stored | \`skip\`, \`cacheIf\`, \`methods\`, \`maxBodySize\`, \`precompress\`, \`endlessTypes\`, \`storeSetCookie\`, \`storePartial\`, \`preset\` |
| invalidation | \`tags\`, \`emitTags\`, \`journalFile\` |
| Redis | \`redis\`, \`tls\`, \`credentials\`, \`keyPrefix\`, \`read\`, \`lease\`, \`redisTimeout\`, \`maxStaleWhileDisconnected\`, \`circuitBreaker\`, \`maxInFlight\`, \`maxRedisBytes\` |
| memory | \`maxBytes\`, \`maxEntries\`, \`maxRecordingBytes\`, \`maxMirrorBytes\`, \`maxJournalBytes\` |
| handler runs | \`collapseTimeout\`, \`singleFlightLease\`, \`maxHandlerTime\`, \`allowRefresh\`, \`obeyClient\` |
| tests and operation | \`enabled\`, \`mode\`, \`verifyShare\`, \`cacheStatus\`, \`logger\`, \`clock\` |
| values, several middlewares | \`serializer\`, \`deserializer\`, \`cache\` |

## The middleware

\`fallbackCache(options)\` from \`fallback-cache/express\` and \`fallback-cache/koa\` takes the following options (in TypeScript \`MiddlewareOptions\`, from the same entry point), and the options of the core below.

${table('src/http/protocol/options.ts', 'FallbackCacheMiddlewareOptions')}

### The front door

Options of \`cached.serve(app, options)\`, and, except those of the server, of \`cached.listener(app, options)\`: see [front door](front-door.md).

${table('src/middleware/front-door/front-door-options.ts', 'FrontDoorOptions')}
${rows('src/middleware/front-door/front-door.ts', 'ServeOptions')}

### Which statuses are stored

| a response | statuses |
|---|---|
| that states no lifetime gets \`ttl\` with | ${statuses('ttlStatuses')} |
| that states its lifetime, or gets one by \`ttl()\` in its handler, is stored with | ${statuses('statuses')}; in the \`proxy\` preset any of 200 to 599 |
| of any other status | is not stored (\`status\` of the [reasons](reasons.md)), unless \`statusTtl\` names it |

A 304, 412, 416 or 417 is never stored, nor are 428, 429, 431 and 511, which concern one client (RFC 6585); a 206 only
with \`storePartial\`. \`statusTtl\` takes precedence over \`ttl\`: a status with a lifetime is
stored, a status with \`false\` is never stored, even if the response states a lifetime.

## The core

These are options of \`new FallbackCache(options)\` and of the middleware.

${table('src/core/options.ts', 'FallbackCacheOptions')}

\`circuitBreaker\`:

${table('src/core/options.ts', 'CircuitBreakerOptions')}
`
}

function reasonsPage() {
  return `# Reasons

This page lists why a response was not stored or not reused, or why a request bypassed the cache. Each such response has one reason, which
appears in three places:

- \`Cache-Status: …; detail=\`, if the reason is known before the response head is sent. \`fwd\` (RFC 9211) says why a stored response was not
  used, because \`detail\` then describes the new response. If a handler calls \`skip('why')\`, \`detail\` contains that text.
- the events: \`bypass\` for a request that the cache does not handle, \`miss\` if no stored response was found or used,
  \`skip\` for a response that is not stored.
- \`stats().counters.refused\`; \`uri-miss\` is counted in \`counters.misses\` only.

[\`explain\`](explain.md) returns the reason for a request without sending it. [Options](options.md#which-statuses-are-stored) lists
the statuses that are stored.

This page is generated from the source by \`npm run docs\`.

| reason | meaning |
|---|---|
${reasons()
  .map(([reason, meaning]) => `| \`${reason}\` | ${meaning} |`)
  .join('\n')}
`
}

/** @param {string} name of a set of statuses in the storage policy of the `application` preset */
function statuses(name) {
  const found = new RegExp(`\\b${name}: new Set\\(\\[([^\\]]+)\\]\\)`).exec(
    source('src/http/rules/storage-policy.ts').text,
  )
  if (found?.[1] === undefined) throw new Error(`src/http/rules/storage-policy.ts has no set ${name}`)
  return found[1]
}

/**
 * @param {string} path
 * @param {string} name of the interface
 */
function table(path, name) {
  return `| option | meaning | default |\n|---|---|---|\n${rows(path, name)}`
}

/**
 * @param {string} path
 * @param {string} name of the interface
 */
function rows(path, name) {
  return members(path, name)
    .map(({ option, text, fallback }) => `| \`${option}\` | ${text} | ${fallback} |`)
    .join('\n')
}

/**
 * @param {string} path
 * @param {string} name
 */
function members(path, name) {
  const found = source(path).statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === name,
  )
  if (found === undefined || !ts.isInterfaceDeclaration(found)) throw new Error(`${path} declares no ${name}`)
  return found.members.map((member) => {
    const option = member.name?.getText() ?? ''
    const [comment] = ts.getJSDocCommentsAndTags(member)
    if (comment === undefined || !ts.isJSDoc(comment)) throw new Error(`${name}.${option} has no comment`)
    const fallback = comment.tags?.find((tag) => tag.tagName.text === 'defaultValue')
    return { option, text: cell(comment.comment), fallback: cell(fallback?.comment) }
  })
}

/** @param {string | ts.NodeArray<ts.JSDocComment> | undefined} comment */
function cell(comment) {
  const text = ts.getTextOfJSDocComment(comment) ?? ''
  return text
    .replace(/\{@link (?:\w+\.)?(\w+)\}/g, '`$1`')
    .replace(/\s+/g, ' ')
    .replaceAll('|', '\\|')
    .trim()
}

/** @returns {[string, string][]} */
function reasons() {
  /** @type {[string, string][]} */
  const found = []
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.isPropertyAssignment(node) && ts.isStringLiteralLike(node.initializer)) {
      const name = ts.isStringLiteral(node.name) || ts.isIdentifier(node.name) ? node.name.text : ''
      found.push([name, node.initializer.text])
    }
    ts.forEachChild(node, visit)
  }
  visit(source('src/http/rules/reasons.ts'))
  return found
}

/** @param {string} path */
function source(path) {
  return ts.createSourceFile(path, readFileSync(`${root}${path}`, 'utf8'), ts.ScriptTarget.ES2022, true)
}
