import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { hasHadFields } from '../node-internals/index.js'

/**
 * Whether the status passed to `writeHead` is a final one, not that of an interim response. Strings such as `'200'`
 * count, because `res.status('200')` works in Express 4.
 */
export function isStatusOfAnswer(status: unknown): boolean {
  const number = Math.trunc(Number(status))
  return number >= 200 && number <= 999
}

/**
 * Sets the arguments of `writeHead` on the response itself, where they can be read.
 *
 * @returns false if the arguments are invalid and Node.js should report the error
 */
export function foldHead(response: ServerResponse, args: readonly unknown[]): boolean {
  const [status, second, third] = args
  const fields = typeof second === 'string' ? third : (second ?? third)
  if (Array.isArray(fields) && isWrongList(response, fields)) return false
  response.statusCode = Math.trunc(Number(status))
  if (typeof second === 'string') response.statusMessage = second
  if (typeof fields !== 'object' || fields === null) return true
  const isList = Array.isArray(fields)
  const list = isList ? (Array.isArray(fields[0]) ? fields.flat(1) : fields) : Object.entries(fields).flat(1)
  if (mayRepeat(response, isList)) foldList(response, list)
  else
    for (let at = 0; at < list.length; at += 2)
      if (list[at]) response.setHeader(String(list[at]), list[at + 1] as string)
  return true
}

/**
 * Whether Node.js rejects a list of fields: a flat list of odd length, or a list of pairs after a field was set (except
 * over HTTP/2).
 */
function isWrongList(response: ServerResponse, fields: readonly unknown[]): boolean {
  return Array.isArray(fields[0]) ? hasHadFields(response) : fields.length % 2 !== 0
}

/** Whether a field may be repeated: Node.js uses the last value if fields were set before, and always for objects. */
function mayRepeat(response: ServerResponse, isList: boolean): boolean {
  if ('stream' in response) return isList
  if (!hasHadFields(response)) return true
  repeats ??= listsRepeat()
  return isList && repeats
}

/** What `listsRepeat` has found. */
let repeats: boolean | undefined

/** Node.js 20 uses the last value for lists too. */
function listsRepeat(): boolean {
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  response.setHeader('X-Before', '0')
  response.writeHead(200, ['X-Field', '1', 'X-Field', '2'])
  return Array.isArray(response.getHeader('X-Field'))
}

/** Like Node.js: fields of the list replace those set before, and may repeat among themselves. */
function foldList(response: ServerResponse, list: readonly unknown[]): void {
  const lines = new Map<string, { readonly name: string; readonly values: unknown[] }>()
  for (let at = 0; at < list.length; at += 2) {
    const name = String(list[at])
    if (name === '') continue
    const values = lines.get(name.toLowerCase())?.values ?? []
    values.push(...[list[at + 1]].flat())
    lines.set(name.toLowerCase(), { name, values })
  }
  for (const { name, values } of lines.values()) {
    // Node.js reports the error for a value that is not a string.
    response.setHeader(name, (values.length === 1 ? values[0] : values) as string | string[])
  }
}
