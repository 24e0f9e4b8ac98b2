/**
 * Request fields that a handler may read without consequence: preconditions and ranges, which the cache evaluates
 * itself, directives, connection fields, lengths, and per-request identifiers of tracers. In lower case.
 *
 * `Origin`, `User-Agent`, `Forwarded` and `X-Forwarded-*` are deliberately not included, because handlers generate
 * pages from them.
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
