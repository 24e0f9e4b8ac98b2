import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { hasHadFields } from '../node-internals/outgoing-fields.js'

/** Whether `writeHead` is given the status of an answer and not of an interim response. A text such as `'200'` is a status too: `res.status('200')` works in Express 4. */
export function isStatusOfAnswer(status: unknown): boolean {
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

/** A list of pairs is one for node as long as no field was set before, and always over HTTP/2. */
function isWrongList(response: ServerResponse, fields: readonly unknown[]): boolean {
  return Array.isArray(fields[0]) ? hasHadFields(response) : fields.length % 2 !== 0
}

/** Whether a name may stand there more than once: node takes the last one where fields have been set before, of objects always. */
function mayRepeat(response: ServerResponse, isList: boolean): boolean {
  if ('stream' in response) return isList
  return !hasHadFields(response) || (isList && LISTS_REPEAT)
}

const LISTS_REPEAT = listsRepeat()

/** Node.js 20 takes the last one of lists too. */
function listsRepeat(): boolean {
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  response.setHeader('X-Before', '0')
  response.writeHead(200, ['X-Field', '1', 'X-Field', '2'])
  return Array.isArray(response.getHeader('X-Field'))
}

/** As node does: fields of the list replace those set before, and may repeat among themselves. */
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
    // Node says what is wrong with one that is no text.
    response.setHeader(name, (values.length === 1 ? values[0] : values) as string | string[])
  }
}
