import { flag, rejectUnknownOptions, shown } from '../../core/option-checks.js'

/** What a message asks for. */
export interface PurgeOrder {
  readonly paths: readonly string[]
  readonly prefixes: readonly string[]
  readonly tags: readonly string[]
  readonly all: boolean
  readonly soft: boolean
  readonly confirm: boolean
}

const NAMES = {
  paths: { otherNames: 'urls' },
  prefixes: {},
  tags: { otherNames: 'surrogateKeys keys' },
  all: { otherNames: 'everything' },
  soft: {},
  confirm: {},
}

const MOST_NAMES = 1000
const LONGEST_NAME = 8192

/** @throws TypeError or RangeError for anything else than an order that names something */
export function readPurgeOrder(content: Buffer): PurgeOrder {
  const given: unknown = parsed(content)
  rejectUnknownOptions(given as object, NAMES, 'a purge')
  const { paths, prefixes, tags, all, soft, confirm } = given as Record<string, unknown>
  const order = {
    paths: names(paths, 'paths'),
    prefixes: names(prefixes, 'prefixes'),
    tags: names(tags, 'tags'),
    all: flag(all as boolean | undefined, 'all') === true,
    soft: flag(soft as boolean | undefined, 'soft') === true,
    confirm: flag(confirm as boolean | undefined, 'confirm') === true,
  }
  const count = order.paths.length + order.prefixes.length + order.tags.length
  if (count === 0 && !order.all) throw new TypeError('name paths, prefixes or tags, or all: true')
  if (count > MOST_NAMES)
    throw new RangeError(`at most ${MOST_NAMES} paths, prefixes and tags in one message, got ${count}`)
  return order
}

function parsed(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString())
  } catch {
    throw new TypeError('the content is not JSON')
  }
}

function names(list: unknown, name: string): readonly string[] {
  if (list === undefined) return []
  if (!Array.isArray(list)) throw new TypeError(`${name} must be a list of texts, got ${shown(list)}`)
  for (const one of list as readonly unknown[]) {
    if (typeof one !== 'string' || one === '' || /\p{Surrogate}/u.test(one))
      throw new TypeError(`${name} must be a list of texts, got ${shown(one)} in it`)
    if (one.length > LONGEST_NAME) throw new RangeError(`each of ${name} has at most ${LONGEST_NAME} characters`)
  }
  return list as readonly string[]
}
