/** The member of `fallback-cache` in Cache-Status (RFC 9211). */
export interface ToldStatus {
  readonly isHit: boolean
  readonly parameters: Readonly<Record<string, string>>
}

/** Reads the member of this cache that is closest to the client; `undefined` if there is none. */
export function ownStatus(field: string | undefined): ToldStatus | undefined {
  const [member] = members(field ?? '')
    .filter((one) => /^"?fallback-cache"?(;|$)/.test(one))
    .slice(-1)
  if (member === undefined) return undefined
  const parameters: Record<string, string> = {}
  for (const part of split(member, ';').slice(1)) {
    const equals = part.indexOf('=')
    const name = (equals < 0 ? part : part.slice(0, equals)).trim()
    parameters[name] = equals < 0 ? 'true' : unquoted(part.slice(equals + 1).trim())
  }
  return { isHit: parameters.hit === 'true', parameters }
}

function members(field: string): readonly string[] {
  return split(field, ',').map((member) => member.trim())
}

/** Splits at a character that is not within quotes. */
function split(text: string, at: ';' | ','): readonly string[] {
  const parts: string[] = []
  let begin = 0
  let isQuoted = false
  for (let index = 0; index < text.length; index++) {
    if (isQuoted && text[index] === '\\') index++
    else if (text[index] === '"') isQuoted = !isQuoted
    else if (text[index] === at && !isQuoted) {
      parts.push(text.slice(begin, index))
      begin = index + 1
    }
  }
  return [...parts, text.slice(begin)]
}

function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/gs, '$1') : text
}
