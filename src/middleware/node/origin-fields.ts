import type { IncomingMessage } from 'node:http'
import { otherOrigin } from '../../http/port/index.js'

/**
 * The origin fields of a request, if they differ from the protocol and host that the framework resolved; see
 * {@link otherOrigin}.
 */
export function otherOriginOf(request: IncomingMessage, protocol: string, host: string): string | undefined {
  const { headers, socket } = request
  const isHttp2 = request.httpVersionMajor > 1
  const fields = {
    host: headers.host,
    authority: isHttp2 ? textOf(headers[':authority']) : undefined,
    scheme: isHttp2 ? textOf(headers[':scheme']) : undefined,
    forwardedHost: textOf(headers['x-forwarded-host']),
    forwardedProto: textOf(headers['x-forwarded-proto']),
    encrypted: isEncrypted(socket),
  }
  return otherOrigin(fields, protocol, host)
}

/** Whether the connection of a request is encrypted; see `socketOf` for requests without one. */
export function isEncrypted(socket: object | null): boolean {
  return (socket as { readonly encrypted?: unknown } | null)?.encrypted === true
}

function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.join(', ')
}
