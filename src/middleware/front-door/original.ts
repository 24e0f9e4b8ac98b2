/**
 * The property by which a middleware is recognized in the function that a tracer has put in its place: those of Datadog
 * and Elastic have all properties of the original. It is hidden, so that `Object.assign` does not copy it to a function
 * of the application, which may do more.
 */
const SELF = Symbol('fallback-cache: the middleware itself')

/** How many tracers may have wrapped a middleware. */
const MOST_WRAPPERS = 8

/** Makes a middleware recognizable for {@link originalOf}, and returns it. */
export function recognizable<M extends object>(middleware: M): M {
  return Object.defineProperty(middleware, SELF, { value: middleware })
}

/** Whether a function is a middleware of this package, or one that a tracer has put in its place. */
export function isRecognizable(handle: object): boolean {
  return SELF in originalOf(handle)
}

/** The middleware that a tracer has wrapped; OpenTelemetry keeps it in `__original`. */
export function originalOf<H>(handle: H): H {
  let original = handle
  for (let depth = 0; depth < MOST_WRAPPERS && typeof original === 'function'; depth++) {
    const { __original, [SELF]: self } = original as { readonly __original?: unknown; readonly [SELF]?: unknown }
    if (self !== undefined) return self as H
    if (typeof __original !== 'function') break
    original = __original as H
  }
  return original
}
