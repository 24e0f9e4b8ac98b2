import type { RequestHead } from '../port/request-head.js'
import { isFilledInput, LINES, ROUTE } from '../rules/filled-inputs.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { InputsDecision } from '../rules/storable-inputs.js'
import { hasField } from '../syntax/fields.js'
import { pathOf } from '../syntax/target.js'
import type { WarningKind } from './reports.js'

/** A warning that is given once per cache, even if it applies to several inputs and routes. */
export interface Advice {
  readonly kind: WarningKind
  readonly text: () => string
}

/**
 * The warnings about the inputs of a run: which fields have become selecting fields, and why the response was not
 * stored.
 */
export function adviceOn(
  { refusal, input, selecting }: InputsDecision,
  { place }: InputsRead,
  request: RequestHead,
): readonly Advice[] {
  if (refusal === undefined && selecting.length === 0) return NO_ADVICE
  const path = pathOf(request.url)
  if (refusal === 'fields-read') {
    return [{ kind: refusal, text: () => everyField(path, place) }]
  }
  if (refusal === 'query-read') return [{ kind: refusal, text: () => parameterRead(path, input) }]
  if (refusal === 'address-read') return [{ kind: refusal, text: () => addressRead(path) }]
  if (refusal === 'cookie-read') return [{ kind: refusal, text: () => cookieRead(path, input) }]
  if (refusal === 'filled-read') return [{ kind: refusal, text: () => objectRead(path, input) }]
  return selecting
    .filter((name) => !isQuiet(name, request))
    .map((name) => ({
      kind: isFilledInput(name) ? 'value-selects' : 'field-selects',
      text: () => fieldRead(path, name),
    }))
}

const NO_ADVICE: readonly Advice[] = Object.freeze([])

const ONCE =
  'This warning is given once for each cache: see Cache-Status, the event "skip" and explain() for other inputs and routes.'

/** The warning about a response that was not stored, and what to do about it. */
function notStored(path: string, why: string): string {
  return `the response to ${path} was not stored: ${why} ${ONCE}`
}

/**
 * Whether no warning is needed: frameworks read Accept for every redirect, the route is no one's mistake, and an absent
 * cookie or field costs nothing.
 */
function isQuiet(name: string, request: RequestHead): boolean {
  if (name === ROUTE) return true
  if (isFilledInput(name)) return request.filled?.(name) === null
  return name === 'accept' || name.startsWith('cookie') || !hasField(request.headers, name)
}

function everyField(path: string, place: string | undefined): string {
  return notStored(
    path,
    `all request fields were read at once${place === undefined ? '' : ` (${place})`}. ` +
      'A handler that copies them to another server is a proxy: give its route preset: "proxy" or inputs: false. Mount loggers in front ' +
      'of the cache.',
  )
}

function cookieRead(path: string, input: string): string {
  const cookie = input === 'cookie' ? 'the Cookie field' : input.replace(/^cookie:/, 'the cookie ')
  return notStored(
    path,
    `its handler has read ${cookie}, and every client would have got it. Name it in the option ` +
      `"vary" (vary: ['${input}']) to store one response for each value, in inputs.ignore if the response does not depend on it, or send ` +
      'Cache-Control: public.',
  )
}

function parameterRead(path: string, input: string): string {
  const parameter =
    input === 'query:*' ? 'all parameters of the query' : `the parameter ${input.replace(/^query:/, '')}`
  return notStored(
    path,
    `its handler has read ${parameter}, which the option "query" does not name, so that ` +
      `requests with other values have the same key. Name it in "query", or "${input}" in inputs.ignore.`,
  )
}

function addressRead(path: string): string {
  return notStored(
    path,
    'the address or the certificate of the client was read behind the cache. Mount rate limits ' +
      'and loggers in front of the cache, add the address to the option "key", or name "ip" in inputs.ignore.',
  )
}

function objectRead(path: string, input: string): string {
  return notStored(
    path,
    `its handler has read ${spelled(input)}, which middleware in front of the cache has set ` +
      `and which identifies the user or their location by its name, may hold data of the visitor (a function), or is another object for each request. Name it in "vary" (vary: ['${input}']) if it can be compared as JSON, add the data that it depends on to "key", ` +
      `or name "${input}" in inputs.ignore if the response does not depend on it.`,
  )
}

/** Formats an input as it is written in code. */
function spelled(input: string): string {
  const [prefix, name] = input.split(/:(.*)/s)
  if (prefix === 'lines') return `the lines of the request field ${name}`
  if (prefix === 'response') return name === '*' ? 'all response fields' : `the response field ${name}`
  const holder = {
    req: 'req',
    res: 'res',
    ctx: 'ctx',
    request: 'ctx.request',
    locals: 'res.locals',
    state: 'ctx.state',
  }[String(prefix)]
  return name === '*' ? `all of ${holder}` : `${holder}.${name}`
}

function filledRead(path: string, input: string): string {
  if (input.startsWith(LINES)) {
    return (
      `the handler of ${path} has read ${spelled(input)} (headersDistinct): the cache stores one response for each list of them. Read it from ` +
      `"headers", or name "${input.slice(LINES.length)}" in inputs.ignore if the response does not depend on it. ` +
      ONCE
    )
  }
  return (
    `the handler of ${path} has read ${spelled(input)}, which middleware in front of the cache has set: the cache stores one response for ` +
    `each of its values. Name "${input}" in the option "vary", or in inputs.ignore if the response does not depend on it. ` +
    ONCE
  )
}

/** The warning about a response that contains a value of its request which is not part of any key. */
export function reflectedInput(url: string, input: string): string {
  return notStored(
    pathOf(url),
    `it contains the value of ${input} of its request, and every client would have got it. Remove it ` +
      `from the response, name it in ${input.startsWith('query:') ? '"query"' : '"vary"'}, or name "${input}" in inputs.ignore.`,
  )
}

/** The warning about inputs whose values differ in almost every run. */
export function givenUp(path: string, inputs: readonly string[]): string {
  const names = inputs.map((input) => `"${input}"`).join(', ')
  return (
    `responses to ${path} are not stored at present: the handler has read ${names}, and nearly every request has another value, so that no ` +
    'request finds a stored response. Name the inputs that the response does not depend on in inputs.ignore. ' +
    ONCE
  )
}

function fieldRead(path: string, name: string): string {
  if (isFilledInput(name)) return filledRead(path, name)
  return (
    `the handler of ${path} has read the request field ${name}, which is not in Vary: the cache stores one response for each of its values. ` +
    `Send Vary: ${name}, so that caches in front of the server know it, or name it in the option "vary" or in inputs.ignore. ` +
    ONCE
  )
}

/** The warning about tags that a CDN does not learn. */
export function omittedTags(url: string, field: string, omitted: readonly string[]): string {
  const shown = omitted.slice(0, 3).map((tag) => JSON.stringify(tag.slice(0, 100)))
  return (
    `the field ${field} (emitTags) of ${pathOf(url)} leaves out ${omitted.length} of its tags, such as ${shown.join(', ')}: a CDN cannot ` +
    `purge the response by them. Tags in this field are ASCII without separators, at most 8,000 bytes together. ${ONCE}`
  )
}
