import { INVALIDATE_OPTION_NAMES, type InvalidateOptions } from '../../core/invalidate-options.js'
import { plainPath, segmentOf, withoutSlash } from './plain-path.js'

/** A value in a path, taken literally: `/`, `?`, `#` and `%` are part of it. */
export type PathValue = string | number | bigint | boolean

/** Invalidates stored responses by their path; see {@link CacheControls.invalidate}. */
export interface Invalidate<Result> {
  /** Everything in the group; `invalidate({ soft: true })` with options. */
  (options?: InvalidateOptions): Promise<Result>
  /** A path that starts with `/`, as in a URL or with decoded ids. */
  (path: string, options?: InvalidateOptions): Promise<Result>
  /** A path given by its segments: `invalidate(['products', id])`. */
  (segments: readonly PathValue[], options?: InvalidateOptions): Promise<Result>
  /** A path as a tagged template: `` invalidate`/products/${id}` ``. */
  (path: TemplateStringsArray, ...values: readonly PathValue[]): Promise<Result>
}

/** Takes the options off the arguments of `invalidate`; a tagged template has none. */
export function optionsAmong(args: readonly unknown[]): {
  readonly named: readonly unknown[]
  readonly options: InvalidateOptions
} {
  const last = args.at(-1)
  if (isTemplate(args[0]) || typeof last !== 'object' || last === null || Array.isArray(last)) {
    return { named: args, options: {} }
  }
  // An object alone is taken for options only if it can be nothing else, because it then means the whole group.
  const names = Object.keys(last)
  const isOptions = args.length === 2 || (names.length > 0 && names.every((name) => INVALIDATE_OPTION_NAMES.has(name)))
  return isOptions ? { named: args.slice(0, -1), options: last } : { named: args, options: {} }
}

/**
 * The paths that the arguments of `invalidate` denote, in the form used in keys and without a trailing slash;
 * `undefined` for the whole group. A text with `?` or `#` gives several paths, because these may end the path or be
 * part of it.
 *
 * @throws TypeError for arguments that denote no path: `undefined`, a pattern, an empty value
 */
export function namedPaths(args: readonly unknown[]): readonly string[] | undefined {
  const [first, ...values] = args
  if (args.length === 0) return undefined
  if (isTemplate(first)) return [textPath(pathOfTemplate(first, values))]
  if (values.length > 0) throw new TypeError('invalidate takes one path: call it for each, or name several by a tag')
  if (Array.isArray(first)) return pathsOfSegments(first)
  if (typeof first === 'string') return readingsOf(first)
  throw new TypeError(`invalidate(${shown(first)}) names no path: ${HOW}`)
}

const HOW = `write invalidate\`/products/\${id}\` or invalidate(["products", id]) for a path and everything below it, and invalidate() for everything`

function isTemplate(value: unknown): value is TemplateStringsArray {
  return Array.isArray(value) && 'raw' in value
}

function pathOfTemplate(strings: TemplateStringsArray, values: readonly unknown[]): string {
  checkPath(strings.join('0'))
  let path = strings[0] ?? ''
  for (const [at, value] of values.entries()) path += segmentOf(textOf(value, at, 'value')) + (strings[at + 1] ?? '')
  return path.split(/[?#]/, 1)[0] ?? ''
}

function pathsOfSegments(segments: readonly unknown[]): readonly string[] {
  if (segments.length === 0) throw new TypeError(`invalidate([]) names no path: ${HOW}`)
  const texts = segments.map((segment, at) => textOf(segment, at, 'segment'))
  const path = texts.map(segmentOf).join('/')
  // The first segment may be an id that begins with a slash, or the beginning of a path.
  if (!path.startsWith('/')) return [textPath(`/${path}`)]
  // Where each of them begins with a slash, they may be several paths.
  const whole = texts.every((text) => text.startsWith('/')) ? texts.map(textPath) : []
  return [...new Set([textPath(`/${path}`), textPath(path), ...whole])]
}

/**
 * All readings of a text: as the path of a URL with a query or fragment, or with an id that contains these characters.
 */
function readingsOf(path: string): readonly string[] {
  checkPath(path)
  const ends = [path.search(/[?#]/), path.lastIndexOf('?'), path.lastIndexOf('#'), path.length]
  return [...new Set(ends.filter((end) => end >= 0).map((end) => textPath(path.slice(0, end))))]
}

function textPath(path: string): string {
  return withoutSlash(plainPath(path, 'utf8'))
}

function checkPath(path: string): void {
  if (!path.startsWith('/')) throw new TypeError(`path must start with "/", got ${shown(path)}`)
  if (!isPattern(path)) return
  throw new TypeError(
    `invalidate(${shown(path)}) looks like a pattern, but patterns are not supported: ${HOW}. To invalidate a path with exactly this text, write invalidate(${shown(path.split('/').slice(1))})`,
  )
}

/**
 * Whether a path has a parameter (`:id`, `{id}`, `[id]`, `<int:id>`) or a wildcard (`*`, `*name`, `*.css`, `(.*)`) in the
 * syntax of routers.
 */
function isPattern(path: string): boolean {
  return path.endsWith('*') || path.split('/').some((segment) => WILD.test(segment) || BRACKETED.test(segment))
}

const WILD = /^(?::[a-z_]|\*(?:$|\*$|[a-z_.])|\(\.\*\))/i

/** A whole segment in the syntax of OpenAPI and Fastify, of Next.js, of Flask. An id such as `{3F25-…}` is none. */
const BRACKETED = /^(?:\{[*:]?[a-z_]\w*[?*]?\}|\[(?:\.\.\.)?[a-z_]\w*\]|<(?:[a-z]+:)?[a-z_]\w*>)$/i

function textOf(value: unknown, at: number, kind: string): string {
  const isText = typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean'
  if (!isText && !Number.isFinite(value))
    throw new TypeError(`${kind} ${at + 1} of the path is ${shown(value)}: ${HOW}`)
  if (value === '') throw new TypeError(`${kind} ${at + 1} of the path is empty, which would name the path above it`)
  return String(value)
}

/** Formats a value for an error message, truncated because a path may be as long as a client's id. */
function shown(value: unknown): string {
  const text = typeof value === 'string' || Array.isArray(value) ? JSON.stringify(value) : String(value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}\u2026` : text
}

/** In characters. */
const MAX_SHOWN = 200
