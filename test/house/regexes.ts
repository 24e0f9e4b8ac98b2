import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { analyse } from 'scslre'
import ts from 'typescript'

/** A regular expression literal, and where it is. */
export interface FoundRegex {
  /** `src/http/syntax/range.ts:25` */
  readonly place: string
  readonly source: string
  readonly flags: string
}

/** All regular expressions in the TypeScript files below a folder, and the places that make one of a text, which cannot be checked. */
export function regexesIn(folder: string): {
  readonly literals: readonly FoundRegex[]
  readonly made: readonly string[]
} {
  const literals: FoundRegex[] = []
  const made: string[] = []
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const path = join(folder, file)
    const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest)
    const visit = (node: ts.Node): void => {
      const place = () => `${path}:${source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1}`
      if (node.kind === ts.SyntaxKind.RegularExpressionLiteral) {
        const text = node.getText(source)
        const end = text.lastIndexOf('/')
        literals.push({ place: place(), source: text.slice(1, end), flags: text.slice(end + 1) })
      } else if (makesRegex(node, source)) {
        made.push(place())
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  return { literals, made }
}

/** The regular expressions that are made of texts while something is done. */
export async function regexesMadeBy(run: () => Promise<unknown>): Promise<readonly Omit<FoundRegex, 'place'>[]> {
  const own = globalThis.RegExp
  const made: Omit<FoundRegex, 'place'>[] = []
  globalThis.RegExp = new Proxy(own, {
    construct(target, [source, flags = '']: [string | RegExp, string?]) {
      made.push({ source: String(source), flags })
      return new target(source, flags)
    },
  })
  try {
    await run()
  } finally {
    globalThis.RegExp = own
  }
  return made
}

/** What a text of attack makes of a regular expression: nothing, or an exponential or a polynomial number of steps. */
export function superLinear({ source, flags }: Pick<FoundRegex, 'source' | 'flags'>): readonly string[] {
  return analyse(new RegExp(source, flags)).reports.map(
    ({ type, exponential, character }) =>
      `${exponential ? 'exponential' : 'polynomial'} (${type}), repeat ${JSON.stringify(String(character.pick))}`,
  )
}

/**
 * Whether a regular expression takes more than linear time for a text that repeats a word of its own, which the analysis above does not look
 * at: a tenth of `limit` milliseconds for `length` characters, and more than `limit`, twice, for twice as many.
 */
export function isSlow(
  { source, flags }: Pick<FoundRegex, 'source' | 'flags'>,
  length: number,
  limit: number,
): boolean {
  const regex = new RegExp(source, flags)
  const words = [...new Set(['', ...(source.match(/[a-z_]{2,}|[ -~]/gi) ?? [])])].slice(0, 80)
  return words.some((word) => {
    if (word === '') return false
    const text = word.repeat(Math.ceil(length / word.length))
    return words.some((before) => {
      if (timeOf(regex, `${before + text}\0`) <= limit / 10) return false
      const longer = `${before + text.repeat(2)}\0`
      return timeOf(regex, longer) > limit && timeOf(regex, longer) > limit
    })
  })
}

/** Milliseconds of processor time: other processes of a busy machine do not count. */
function timeOf(regex: RegExp, text: string): number {
  const before = process.cpuUsage()
  regex.lastIndex = 0
  regex.test(text)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function makesRegex(node: ts.Node, source: ts.SourceFile): boolean {
  return (ts.isNewExpression(node) || ts.isCallExpression(node)) && node.expression.getText(source) === 'RegExp'
}
