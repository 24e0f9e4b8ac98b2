/** What of a Koa application runs its middleware. */
interface Running {
  readonly middleware: readonly unknown[]
  readonly handleRequest?: unknown
  /** Koa 3: how functions are put together. */
  readonly compose?: unknown
}

/** Whether nobody has a say in an answer after a middleware of an application: it stands first, and Koa itself runs it. */
export function isOutermost(app: Running | undefined, middleware: unknown): boolean {
  if (app === undefined || app.middleware[0] !== middleware) return false
  return isOfKoa(app.handleRequest, HANDLES) && (app.compose === undefined || isOfKoa(app.compose, COMPOSES))
}

/** What the code of Koa's own has in it, and what wraps it has not. */
const HANDLES = /\.statusCode\s*=\s*404/
const COMPOSES = /next\(\) called multiple times/

/** What was found out about functions. */
const known = new WeakMap<object, boolean>()

function isOfKoa(run: unknown, mark: RegExp): boolean {
  if (typeof run !== 'function') return false
  const found = known.get(run) ?? mark.test(Function.prototype.toString.call(run))
  known.set(run, found)
  return found
}
