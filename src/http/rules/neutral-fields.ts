/**
 * Request fields that a run may read without a consequence: conditions and ranges, which the cache evaluates itself, directives,
 * fields of the connection, lengths, and identifiers that a tracer gives to each request. In lower case.
 *
 * `Origin`, `User-Agent`, `Forwarded` and `X-Forwarded-*` are absent on purpose: handlers build pages from them.
 */
export const NEUTRAL_FIELDS: ReadonlySet<string> = new Set([
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
  'range',
  'cache-control',
  'pragma',
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'expect',
  'upgrade',
  'content-length',
  'transfer-encoding',
  'traceparent',
  'tracestate',
  'baggage',
  'sentry-trace',
  'x-request-id',
  'x-correlation-id',
])
