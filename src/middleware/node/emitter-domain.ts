/** The frames from {@link isReadByEmit} to the reader of a watched property, which is the last one. */
const FRAMES = 5

/**
 * Whether a watched property is being read by `emit()` of the Node.js module `domain`: once it is loaded, each request
 * and response has a property `domain`. Middleware may use the same name for a value of its own, whose reads count.
 */
export function isReadByEmit(name: string, value: unknown): boolean {
  if (name !== 'domain' || (value !== null && typeof value !== 'object')) return false
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = FRAMES
  const { stack } = new Error('to find the reader')
  Error.stackTraceLimit = stackTraceLimit
  return /node:domain:\d+:\d+\)?$/.test(String(stack))
}
