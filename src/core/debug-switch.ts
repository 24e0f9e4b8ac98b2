import { debuglog } from 'node:util'

/** Starts the debug log, whose code is loaded then, with `NODE_DEBUG=fallback-cache` in the environment. */
export function startDebugLogIfAsked(): void {
  if (!debuglog('fallback-cache').enabled) return
  import('./debug-log.js').then(({ startDebugLog }) => startDebugLog()).catch(() => {})
}
