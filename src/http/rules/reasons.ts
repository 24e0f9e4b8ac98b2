/** The meaning of each reason; typed as strings, so that the type declarations do not repeat the texts. */
const MEANINGS = {
  // The request
  method: 'The cache does not answer requests with this method on this route (RFC 9111, section 3).',
  authorization:
    'The request carries Authorization, and the response does not allow sharing by public, s-maxage or must-revalidate (RFC 9111, section 3.5).',
  'api-key':
    'The request carries a credential in a header field such as X-API-Key, and the response does not say that it may be shared.',
  cookie:
    'The request carries a cookie that looks like a session, and the response does not say that it may be shared.',
  target:
    'The request target is an absolute URI or has a fragment; or Host is not a plain host with or without a port, or differs from :authority; or the protocol is neither http nor https.',
  'request-body':
    'The request has a body, or middleware in front of the cache has put one on it. The response may depend on it, and it is not part of the key.',
  'request-too-large': 'The body of the QUERY is larger than 64 KiB, the limit for content in a key.',
  'request-consumed':
    'Middleware in front of the cache has read the body of the QUERY and kept no copy of its bytes as rawBody, so the cache cannot make its key.',
  'request-no-store': 'The request says Cache-Control: no-store (RFC 9111, section 5.2.1.5).',
  head: 'The request is HEAD: the cache answers it from a stored GET response, and never stores its own response.',
  'only-if-cached':
    'The client accepts only a stored response (only-if-cached), and none is usable: the answer is 504 (RFC 9111, section 5.2.1.7).',
  skip: "The route's skip option, or skip() of the response, excluded this request or response.",
  fault: 'A part of the cache, or a function among its options, failed; the request continued without the cache.',
  closed: 'The cache is closed.',
  disabled: 'The option enabled is false, so the cache is switched off.',
  shadow: 'The cache is in shadow mode: every request reaches its handler.',
  // The lookup
  'uri-miss': 'Nothing is stored for the request.',
  'vary-miss': 'The stored responses were made for other values of the fields that Vary names (RFC 9111, section 4.1).',
  outlived: 'The stored response is past its freshness lifetime and may not be sent stale (RFC 9111, section 4.2.4).',
  unvalidated:
    'The stored response says no-cache: it may be sent only after the handler has confirmed it (RFC 9111, section 5.2.2.4).',
  request: 'The Cache-Control directives of the request do not accept the stored response (RFC 9111, section 5.2.1).',
  'outside-part':
    'Only a partial response (206) is stored, and the request asks for bytes outside of it (RFC 9111, section 3.3).',
  // The response head
  status: 'This route does not store responses with this status code.',
  precondition:
    'The response depends on the conditions or the range of its own request: it is a 304, 412, 416 or 417, or a response other than 206 to a Range that the handler may have read.',
  'must-understand':
    'The response says must-understand and this cache does not implement its status code (RFC 9111, section 5.2.2.3).',
  'no-store': 'The response says no-store (RFC 9111, section 5.2.2.5).',
  private: 'The response says private (RFC 9111, section 5.2.2.7).',
  'set-cookie': 'The response sets a cookie; storing it would send one visitor the cookie of another.',
  'vary-star': 'The response says Vary: *, so no other request can ever match it (RFC 9111, section 4.1).',
  'no-freshness': 'The response states no lifetime, and the route has no ttl (RFC 9111, section 4.2.1).',
  stale: 'The response is already stale and may not be sent stale, so it could never be used.',
  'no-cache': 'The response says no-cache, so every use would run the handler anyway (RFC 9111, section 5.2.2.4).',
  partial:
    'The response is partial (206), and this route does not store partial responses (RFC 9111, section 3.3), or a complete response is stored that may still replace an error.',
  'content-range': 'The response has an invalid Content-Range (RFC 9110, section 14.4).',
  'content-location':
    'A response to POST is stored only with status 200, explicit freshness and a Content-Location equal to its URI (RFC 9110, section 9.3.3).',
  'event-stream': 'The response is an endless stream, such as text/event-stream.',
  'logged-in':
    'The user is known (req.user, req.auth, res.locals.user, ctx.state.user or a used session), so the response may be for this user only.',
  'cookie-read':
    'The handler has read a cookie of this client, and the response does not say that it may be shared: name the cookie in vary, or in inputs.ignore.',
  'fields-read':
    'All fields of the request were read at once (copied, listed or serialized), so the cache cannot tell which of them the response depends on.',
  'query-read':
    'The handler has read a query parameter that the option query excludes from the key, so requests with other values would share the response.',
  'address-read':
    'The address or the certificate of the client was read behind the cache: mount rate limits and loggers in front of it.',
  'filled-read':
    'The handler has read an object or a function that middleware in front of the cache has set and that may hold data of the visitor: by its name, because it is a function, or because each request has another one. Name it in vary, in key, or in inputs.ignore.',
  reflected:
    'The response contains a text of this request that is not part of the key: the value of a neutral field that the handler has read, or a parameter that the option query excludes.',
  'csp-nonce': 'The page contains a nonce of the Content-Security-Policy, which is valid for one response only.',
  'stale-if-error':
    'The handler failed, and a stale stored response was sent instead of its response (RFC 5861, section 4).',
  'wrong-validator':
    'The handler answered 304 with a validator that the stored response does not have (RFC 9111, section 4.3.4).',
  'cache-if': "The route's cacheIf option refused the complete response.",
  // The body and storing
  'too-large': 'The body is larger than maxBodySize, or does not fit in memory.',
  incomplete: 'The length of the body differs from Content-Length or Content-Range.',
  aborted:
    'The handler failed, the response was destroyed before its end, a part of its body was sent past its own methods (as by ServerResponse.prototype.write.call), or the client disconnected before its end and no Content-Length sent before shows that the body is complete.',
  'content-length': 'The response has a Content-Length that does not consist of digits (RFC 9110, section 8.6).',
  'transfer-encoding':
    'The handler set a transfer coding other than chunked, so the body is not in the form that a client reads (RFC 9112, section 6.1).',
  unanswered: 'No handler has responded: Koa sends its own 404, or middleware in front of the cache responds.',
  trailers: 'The response has trailer fields.',
  invalidated: 'The entry was invalidated while its handler ran.',
  'too-many-variants':
    'The variants of the key would be selected by more than 16 inputs, or by an input that has a new value in nearly every request (docs/inputs.md).',
  'too-slow':
    'The handler took longer than maxHandlerTime, so the cache may have forgotten invalidations that cover its response.',
  'recordings-full':
    'The bodies being recorded took more than maxRecordingBytes, and this one had not grown for the longest time.',
  expired: 'The response could no longer be used, not even stale, before its body was complete.',
}

/**
 * Every reason why a response was not stored or not reused, or a request was not handled. The closed list behind
 * `Cache-Status; detail=…`, the events, `stats().refused` and the documentation: each key is a reason, with its meaning
 * as the value.
 */
export const REASONS: Readonly<typeof MEANINGS> = MEANINGS

/** The reason why a response was not stored or not reused. */
export type Reason = keyof typeof REASONS
