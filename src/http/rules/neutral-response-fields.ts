/**
 * Response fields that may be read behind the cache without consequence, although middleware in front has set them:
 * frameworks read them for every response, they are part of the key, or they describe one run. In lower case.
 */
export const NEUTRAL_RESPONSE_FIELDS: ReadonlySet<string> = new Set([
  'accept-ranges',
  'age',
  'cache-control',
  'cache-status',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'date',
  'etag',
  'expires',
  'keep-alive',
  'last-modified',
  'pragma',
  'trailer',
  'transfer-encoding',
  'vary',
  'x-powered-by',
  'ratelimit',
  'ratelimit-limit',
  'ratelimit-policy',
  'ratelimit-remaining',
  'ratelimit-reset',
  'server-timing',
  'traceresponse',
  'x-correlation-id',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
  'x-request-id',
  'x-response-time',
  'x-runtime',
])

/**
 * Those of them that identify a run or its client: a response that contains the value of one that was read is not stored.
 * The others may appear in it.
 */
export const REFLECTED_RESPONSE_FIELDS: ReadonlySet<string> = new Set([
  'traceresponse',
  'x-correlation-id',
  'x-request-id',
])

/** Whether a response field has another value for each run, by its lower-case name: a list of all fields is compared without. */
export function isOfOneRun(name: string): boolean {
  return (
    REFLECTED_RESPONSE_FIELDS.has(name) || /^(?:x-)?ratelimit|^server-timing$|^x-(?:response-time|runtime)$/.test(name)
  )
}

/** The prefix of inputs that are fields which middleware in front has set on the response: `response:x-lang`. */
export const RESPONSE_FIELD = 'response:'
