import { isFilledInput, LINES } from '../rules/filled-inputs.js'
import type { InputsDecision } from '../rules/storable-inputs.js'
import { pathOf } from '../syntax/target.js'

type Refusal = NonNullable<InputsDecision['refusal']>

const ONCE =
  'This warning is given once for each cache: see Cache-Status, the event "skip" and explain() for other inputs and routes.'

/** The warning about a response that was not stored, and what to do about it. */
function notStored(path: string, why: string): string {
  return `the response to ${path} was not stored: ${why} ${ONCE}`
}

/** The warning about a response that was not stored because of an input. @param place - where in the code all fields were read */
export function refusedInput(url: string, refusal: Refusal, input: string, place: string | undefined): string {
  const path = pathOf(url)
  switch (refusal) {
    case 'fields-read':
      return everyField(path, place)
    case 'query-read':
      return parameterRead(path, input)
    case 'address-read':
      return addressRead(path)
    case 'cookie-read':
      return cookieRead(path, input)
    case 'filled-read':
      return objectRead(path, input)
  }
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
export function givenUp(url: string, inputs: readonly string[]): string {
  const names = inputs.map((input) => `"${input}"`).join(', ')
  return (
    `responses to ${pathOf(url)} are not stored at present: the handler has read ${names}, and nearly every request has another value, so that no ` +
    'request finds a stored response. Name the inputs that the response does not depend on in inputs.ignore. ' +
    ONCE
  )
}

/** The warning about an input that selects the response. */
export function selectingInput(url: string, name: string): string {
  const path = pathOf(url)
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

/** The warning about a response whose handler knew the user. */
export function knownUser(url: string): string {
  return (
    `the response to ${pathOf(url)} was not stored: its handler knew the user (req.user, ctx.state.user or a session that is ` +
    'not empty), and every client would have got it. The cache cannot see authentication that runs after it: name the user in the ' +
    'key with the "user" option, or exclude such routes from the cache with "skip". This warning is given once for each cache.'
  )
}
