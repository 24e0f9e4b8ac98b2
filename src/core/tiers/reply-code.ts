/** The error code with which Redis began its reply, such as `OOM`; `undefined` for an error that Redis did not send. */
export function replyCode(error: Error): string | undefined {
  // What a script may not do is refused without the code that the command alone would get.
  if (/^-?ERR .*user executing the script can't/i.test(error.message)) return 'NOPERM'
  return /^-?([A-Z][A-Z0-9]+)(?:\s|$)/.exec(error.message)?.[1]
}

/** The server cannot serve at all for now. */
export const UNABLE: ReadonlySet<string> = new Set(['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'BUSY'])

/** The connection is to a server that is not the master, or that does not know who is asking: only another one helps. */
export const WRONG_SERVER: ReadonlySet<string> = new Set(['READONLY', 'NOAUTH', 'WRONGPASS'])

/** Redis works, and refuses to write: to read from it is right. */
export const WRITE_REFUSED: ReadonlySet<string> = new Set(['MISCONF', 'NOREPLICAS', 'OOM', 'NOPERM'])
