import type { ServerResponse } from 'node:http'

/** Whether `writeHead` is given the status of an answer and not of an interim response. A text such as `'200'` is a status too: `res.status('200')` works in Express 4. */
export function isFinalStatus(status: unknown): boolean {
  const number = Math.trunc(Number(status))
  return number >= 200 && number <= 999
}

/**
 * Puts what `writeHead` was given on the response itself, where it can be read.
 *
 * @returns false when node has to say what is wrong with it
 */
export function foldHead(response: ServerResponse, args: readonly unknown[]): boolean {
  const [status, second, third] = args
  const fields = typeof second === 'string' ? third : (second ?? third)
  if (Array.isArray(fields) && !Array.isArray(fields[0]) && fields.length % 2 !== 0) return false
  response.statusCode = Math.trunc(Number(status))
  if (typeof second === 'string') response.statusMessage = second
  if (Array.isArray(fields)) foldList(response, Array.isArray(fields[0]) ? fields.flat(1) : fields)
  else if (typeof fields === 'object' && fields !== null) {
    for (const [name, value] of Object.entries(fields)) if (name !== '') response.setHeader(name, value)
  }
  return true
}

/** As node does: fields of the list replace those set before, and may repeat among themselves. */
function foldList(response: ServerResponse, list: readonly unknown[]): void {
  const lines = new Map<string, { readonly name: string; readonly values: string[] }>()
  for (let at = 0; at < list.length; at += 2) {
    const name = String(list[at])
    const values = lines.get(name.toLowerCase())?.values ?? []
    values.push(...[list[at + 1]].flat().map(String))
    lines.set(name.toLowerCase(), { name, values })
  }
  for (const { name, values } of lines.values()) {
    const [only = ''] = values
    response.setHeader(name, values.length === 1 ? only : values)
  }
}
