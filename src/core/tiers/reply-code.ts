/** The error code at the start of a Redis error reply, such as `OOM`; `undefined` if Redis did not send the error. */
export function replyCode(error: Error): string | undefined {
  // A command denied inside a script gets ERR instead of NOPERM: in these words from Redis 7.0, and from later servers.
  if (/^-?ERR .*(?:user executing the script can't|ACL failure in script)/i.test(error.message)) return 'NOPERM'
  return /^-?([A-Z][A-Z0-9]+)(?:\s|$)/.exec(error.message)?.[1]
}

/** Codes of a server that temporarily cannot serve any command. */
export const UNABLE: ReadonlySet<string> = new Set(['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'BUSY'])

/** Codes of a server that is not the master, or does not accept the login: only another connection helps. */
export const WRONG_SERVER: ReadonlySet<string> = new Set(['READONLY', 'NOAUTH', 'WRONGPASS'])

/** Codes of a server that refuses writes but can still be read from. */
export const WRITE_REFUSED: ReadonlySet<string> = new Set(['MISCONF', 'NOREPLICAS', 'OOM', 'NOPERM'])
