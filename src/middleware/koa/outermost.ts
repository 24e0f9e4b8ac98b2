/** The parts of a Koa application that run its middleware. */
interface Running {
  readonly middleware: readonly unknown[]
  readonly handleRequest?: unknown
  /** Koa 3: the function that composes the middleware. */
  readonly compose?: unknown
}

/**
 * Whether no other code can change a response after this middleware: it is mounted first, and Koa's own functions run
 * it.
 */
export function isOutermost(app: Running | undefined, middleware: unknown): boolean {
  if (app === undefined || app.middleware[0] !== middleware) return false
  return isOfKoa(app.handleRequest, HANDLES) && (app.compose === undefined || isOfKoa(app.compose, COMPOSES))
}

/** Strings in the source of Koa's own functions that a wrapper would not contain. */
const HANDLES = /\.statusCode\s*=\s*404/
const COMPOSES = /next\(\) called multiple times/

/** Results per function, cached. */
const known = new WeakMap<object, boolean>()

function isOfKoa(run: unknown, mark: RegExp): boolean {
  if (typeof run !== 'function') return false
  const found = known.get(run) ?? mark.test(Function.prototype.toString.call(run))
  known.set(run, found)
  return found
}
