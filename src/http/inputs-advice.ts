import { hasField } from './fields.js'
import type { InputsRead } from './inputs-read.js'
import type { InputsContext, InputsVerdict } from './inputs-verdict.js'
import { pathOf } from './primary-key.js'

/** Something to be said once. */
export interface Advice {
  readonly topic: string
  readonly text: () => string
}

/** What to tell the developer of the inputs of a run: which fields have become selecting ones, and why nothing was stored. */
export function adviceOn(
  { refusal, input, selecting }: InputsVerdict,
  { place }: InputsRead,
  { request }: InputsContext,
): readonly Advice[] {
  const path = pathOf(request.url)
  if (refusal === 'fields-read') {
    return [{ topic: refusal, text: () => everyField(path, place) }]
  }
  if (refusal === 'query-read') return [{ topic: `read ${input}`, text: () => parameterRead(path, input) }]
  if (refusal === 'address-read') return [{ topic: refusal, text: () => addressRead(path) }]
  if (refusal === 'cookie-read') return [{ topic: `read ${input}`, text: () => cookieRead(path, input) }]
  return selecting
    .filter((name) => !isQuiet(name, request.headers))
    .map((name) => ({ topic: `read ${name}`, text: () => fieldRead(path, name) }))
}

/** Frameworks read Accept for every redirect; the absence of a cookie costs nothing. */
function isQuiet(name: string, headers: Readonly<Record<string, string | readonly string[] | undefined>>): boolean {
  return name === 'accept' || name.startsWith('cookie') || !hasField(headers, name)
}

function everyField(path: string, place: string | undefined): string {
  return (
    `the response to ${path} was not stored: all request fields were read at once${place === undefined ? '' : ` (${place})`}. ` +
    'A handler that copies them to another server is a proxy: give its route preset: "proxy" or inputs: false. Mount loggers in front ' +
    'of the cache. This is said once.'
  )
}

function cookieRead(path: string, input: string): string {
  const cookie = input === 'cookie' ? 'the Cookie field' : input.replace(/^cookie:/, 'the cookie ')
  return (
    `the response to ${path} was not stored: its handler has read ${cookie}, and everybody would have got it. Name it in the option ` +
    `"vary" (vary: ['${input}']) to keep a response for each value, in inputs.ignore if the response does not depend on it, or send ` +
    'Cache-Control: public. This is said once.'
  )
}

function parameterRead(path: string, input: string): string {
  const parameter =
    input === 'query:*' ? 'all parameters of the query' : `the parameter ${input.replace(/^query:/, '')}`
  return (
    `the response to ${path} was not stored: its handler has read ${parameter}, and the option "query" names others only, so that ` +
    `requests with other values have the same key. Name it in "query", or "${input}" in inputs.ignore. This is said once.`
  )
}

function addressRead(path: string): string {
  return (
    `the response to ${path} was not stored: the address or the certificate of the client was read behind the cache. Mount rate limits ` +
    'and loggers in front of the cache, put the address into the option "key", or name "ip" in inputs.ignore. This is said once.'
  )
}

function fieldRead(path: string, name: string): string {
  return (
    `the handler of ${path} has read the request field ${name}, which is not in Vary: the cache keeps a response for each of its values. ` +
    `Send Vary: ${name}, so that caches in front know, or name it in the option "vary" or in inputs.ignore. This is said once.`
  )
}
