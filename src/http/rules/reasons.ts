/**
 * Every reason why a response was not stored or not reused, or a request was not handled. The closed list behind
 * `Cache-Status; detail=…`, the events, `stats().refused` and the documentation: each key is a reason, with its meaning
 * as the value.
 */
export const REASONS = {
  // The request
  method: 'The request method is none that this route answers from the store (RFC 9111, section 3).',
  authorization:
    'The request carries Authorization, and the response does not say that it may be shared by public, s-maxage or must-revalidate (RFC 9111, section 3.5).',
  'api-key':
    'The request carries a credential in a header field such as X-API-Key, and the response does not say that it may be shared.',
  cookie:
    'The request carries a cookie that looks like a session, and the response does not say that it may be shared.',
  target:
    'The request target is an absolute URI or has a fragment; or Host is no plain host with or without a port, or differs from :authority; or the protocol is neither http nor https.',
  'request-body': 'The request has a body, on which the response may depend and which is no part of the key.',
  'request-too-large': 'The body of the QUERY is larger than 64 KiB: a key is made of no more.',
  'request-consumed':
    'Middleware in front of the cache has read the body of the QUERY and kept no copy of its bytes as rawBody, so what it asks is not known.',
  'request-no-store': 'The request says Cache-Control: no-store (RFC 9111, section 5.2.1.5).',
  head: 'The request is HEAD: it is answered from a stored GET, and its own answer is never stored.',
  'only-if-cached':
    'The client wants a stored response only, and there is none that it may have: the answer is 504 (RFC 9111, section 5.2.1.7).',
  skip: "The route's skip option, or skip() of the response, said no.",
  fault: 'Something of the cache, or a function among its options, failed; the request went on without the cache.',
  closed: 'The cache is closed.',
  disabled: 'The cache is switched off by the option enabled.',
  // The lookup
  'uri-miss': 'Nothing is stored for the request.',
  'vary-miss': 'What is stored was made for other values of the fields that Vary names (RFC 9111, section 4.1).',
  outlived: 'The stored response is past its freshness lifetime and may not be sent stale (RFC 9111, section 4.2.4).',
  unvalidated:
    'The stored response says no-cache: it is sent only when the handler has confirmed it (RFC 9111, section 5.2.2.4).',
  request: 'The directives of the request rule the stored response out (RFC 9111, section 5.2.1).',
  'outside-part': 'A part is stored (206), and the request asks for more than that (RFC 9111, section 3.3).',
  // The response head
  status: 'The status code is none that this route stores.',
  precondition:
    'The response is about the conditions or the range of its own request: a 304, 412 or 416, or anything but a 206 to a Range that the handler may have read.',
  'must-understand':
    'The response says must-understand and this cache does not implement its status code (RFC 9111, section 5.2.2.3).',
  'no-store': 'The response says no-store (RFC 9111, section 5.2.2.5).',
  private: 'The response says private (RFC 9111, section 5.2.2.7).',
  'set-cookie': 'The response sets a cookie; storing it would hand one visitor the cookie of another.',
  'vary-star': 'The response says Vary: *, so no other request can ever match it (RFC 9111, section 4.1).',
  'no-freshness': 'The response states no lifetime, and the route gives none by ttl (RFC 9111, section 4.2.1).',
  stale: 'The response is stale on arrival and may not be sent stale, so it could never be used.',
  'no-cache': 'The response says no-cache: every use would run the handler anyway (RFC 9111, section 5.2.2.4).',
  partial: 'The response is a part of a representation (206) that this route does not store (RFC 9111, section 3.3).',
  'content-range': 'The response has a Content-Range that cannot be understood (RFC 9110, section 14.4).',
  'content-location':
    'An answer to POST is stored only with status 200, explicit freshness and a Content-Location equal to its URI (RFC 9110, section 9.3.3).',
  'event-stream': 'The response is a stream without end, such as text/event-stream.',
  'logged-in':
    'It is known who is asking (req.user, req.auth, res.locals.user, ctx.state.user or a used session), so the response may be theirs alone.',
  'cookie-read':
    'The handler has read a cookie of this client, and the response does not say that it may be shared: name the cookie in vary, or in inputs.ignore.',
  'fields-read':
    'All fields of the request were read at once (copied, listed or serialized), so it is not known which of them the response depends on.',
  'query-read':
    'The handler has read a parameter of the query that the option query leaves out of the key, so requests with other values would share the response.',
  'address-read':
    'The address or the certificate of the client was read behind the cache: a rate limit or a logger belongs in front of it.',
  'filled-read':
    'The handler has read an object or a function that middleware in front of the cache has filled in and whose name says who is asking: name it in vary, in key, or in inputs.ignore.',
  reflected:
    'The response contains a text of this request that the key does not hold: the value of a neutral field that the handler has read, or a parameter that the option query leaves out.',
  'csp-nonce': 'The page carries a nonce of the Content-Security-Policy, which is valid for one response only.',
  'stale-if-error':
    'The handler failed, and a stale stored response was sent in place of its answer (RFC 5861, section 4).',
  'wrong-validator':
    'The handler answered 304 with a validator that the stored response does not have (RFC 9111, section 4.3.4).',
  'cache-if': "The route's cacheIf option said no to the complete response.",
  // The body and storing
  'too-large': 'The body is larger than maxBodySize, or than memory has room for.',
  incomplete: 'The body is not what Content-Length or Content-Range announced.',
  aborted:
    'The handler failed, the response was destroyed before its end, or the client left before it and no Content-Length sent before shows that the body is whole.',
  'content-length': 'The response has a Content-Length that is no number of digits (RFC 9110, section 8.6).',
  'transfer-encoding':
    'The response has a transfer coding of the handler that is not chunked: its body is not what a client is to read (RFC 9112, section 6.1).',
  unanswered: 'No handler has answered: Koa answers 404 itself, or middleware in front of the cache does.',
  trailers: 'The response has trailer fields.',
  invalidated: 'The entry was invalidated while its handler ran.',
  'too-many-variants':
    'The variants of the key would be told apart by more than 16 inputs, or by an input that has a new value in nearly every request (docs/inputs.md).',
  'too-slow':
    'The handler took longer than maxHandlerTime: what was invalidated meanwhile is no longer known for sure.',
  'recordings-full':
    'The bodies under way took more than maxRecordingBytes, and this one had not grown for the longest time.',
  expired: 'The response was past all use before its body was complete.',
} as const

/** The reason why a response was not stored or not reused. */
export type Reason = keyof typeof REASONS
