/** The properties of a Koa context that tell whether koa-mount has chosen a middleware. */
interface Mounted {
  readonly path: string
  readonly originalUrl: string
  /** Set by koa-mount. */
  readonly mountPath?: unknown
}

/**
 * Whether koa-mount has chosen the running middleware, and taken its prefix off the path. Middleware that was mounted in
 * front leaves `mountPath` behind, but the path of the request is whole again.
 */
export function isMounted({ path, originalUrl, mountPath }: Mounted): boolean {
  if (typeof mountPath !== 'string') return false
  const [asked = ''] = originalUrl.split('?', 1)
  return asked.endsWith(mountPath + path) || (path === '/' && asked.endsWith(mountPath))
}
