import * as legacy from 'node:url'

/** A request with the property in which the package parseurl, which Express and connect use, keeps a parsed URL. */
export type ParsedRequestUrl = object & { readonly url?: unknown; [PARSED_URL]?: unknown }

export const PARSED_URL = '_parsedUrl'

/** What a {@link LiveUrl} reports. */
export interface UrlUser {
  /** A router is about to compare the URL with its routes. */
  used(request: object): void
  /** The URL has changed to one that only a full parser reads, so the parsed URL is about to be replaced. */
  replaced(request: object): void
}

/**
 * A parsed URL like those of parseurl, that reports its use and always is that of the current URL of its request.
 *
 * parseurl compares `_raw` with the URL before each use, and would replace the object if they differed. An accessor in
 * its place on the request would report the same, but would turn the request into an object that V8 reads slowly.
 */
export class LiveUrl {
  readonly protocol = null
  readonly slashes = null
  readonly auth = null
  readonly host = null
  readonly port = null
  readonly hostname = null
  readonly hash = null
  search: unknown
  query: unknown
  pathname: unknown
  path: unknown
  href: unknown
  readonly #request: ParsedRequestUrl
  #raw: string
  #user: UrlUser | undefined

  /**
   * The live URL of a request: the one that it has, or one made of what it has.
   *
   * @returns `undefined` if the request has no parsed URL, or one of a full parser
   */
  static of(request: ParsedRequestUrl): LiveUrl | undefined {
    const parsed = request[PARSED_URL]
    if (parsed instanceof LiveUrl) return parsed
    if (!isSimple(parsed)) return undefined
    const made = new LiveUrl(request, parsed)
    request[PARSED_URL] = made
    return made
  }

  private constructor(request: ParsedRequestUrl, { _raw, search, query, pathname, path, href }: SimpleUrl) {
    this.search = search
    this.query = query
    this.pathname = pathname
    this.path = path
    this.href = href
    this.#request = request
    this.#raw = _raw
  }

  /** Reports to this user from now on, instead of another. */
  begin(user: UrlUser): void {
    this.#user = user
  }

  end(user: UrlUser): void {
    if (this.#user === user) this.#user = undefined
  }

  get _raw(): string {
    const user = this.#user
    if (user === undefined) return this.#raw
    const { url } = this.#request
    if (url !== this.#raw && !this.#follow(url)) user.replaced(this.#request)
    user.used(this.#request)
    return this.#raw
  }

  set _raw(raw: string) {
    this.#raw = raw
  }

  #follow(url: unknown): boolean {
    if (typeof url !== 'string' || !SIMPLE.test(url)) return false
    const mark = url.indexOf('?')
    this.pathname = mark < 0 ? url : url.slice(0, mark)
    this.search = mark < 0 ? null : url.slice(mark)
    this.query = mark < 0 ? null : url.slice(mark + 1)
    this.path = url
    this.href = url
    this.#raw = url
    return true
  }
}

/** A URL that parseurl splits itself. */
const SIMPLE = /^\/[^#\s]*$/

const { prototype } = Reflect.get(legacy, 'Url') as { readonly prototype: object }
// parseurl tests that.
Object.setPrototypeOf(LiveUrl.prototype, prototype)

/** A URL as parseurl makes it. */
interface SimpleUrl {
  readonly _raw: string
  readonly protocol: unknown
  readonly slashes: unknown
  readonly auth: unknown
  readonly host: unknown
  readonly port: unknown
  readonly hostname: unknown
  readonly hash: unknown
  readonly search: unknown
  readonly query: unknown
  readonly pathname: unknown
  readonly path: unknown
  readonly href: unknown
}

function isSimple(parsed: unknown): parsed is SimpleUrl {
  if (!isOfParseurl(parsed)) return false
  const { _raw, search, query, pathname, path, href } = parsed
  if (path !== _raw || href !== _raw || `${pathname}${search ?? ''}` !== _raw) return false
  if (search === null ? query !== null : search !== `?${query}`) return false
  return hasNoOrigin(parsed) && parsed.hash === null && Object.keys(parsed).length === NAMES
}

function isOfParseurl(parsed: unknown): parsed is SimpleUrl {
  if (typeof parsed !== 'object' || parsed === null || Object.getPrototypeOf(parsed) !== prototype) return false
  return typeof (parsed as SimpleUrl)._raw === 'string'
}

/** Whether middleware in front has changed the parsed URL of a request: it is not that of its text. */
export function isChangedUrl(parsed: unknown): boolean {
  return isOfParseurl(parsed) && SIMPLE.test(parsed._raw) && !isSimple(parsed)
}

/** By name: V8 does not optimize accesses with a varying name. */
function hasNoOrigin({ protocol, slashes, auth, host, port, hostname }: SimpleUrl): boolean {
  return protocol === null && slashes === null && auth === null && host === null && port === null && hostname === null
}

/** The number of properties: those of `url.Url`, and `_raw`. */
const NAMES = 13
