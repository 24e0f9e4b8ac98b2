/** How long `authorize` may take, in ms. */
const DECIDED_WITHIN = 10_000

/** Whether `authorize` permits a request: false for everything but `true`, for an error, and if it does not settle. */
export function isAuthorized<Request>(
  authorize: ((request: Request) => boolean | Promise<boolean>) | undefined,
  request: Request,
): Promise<boolean> {
  if (authorize === undefined) return Promise.resolve(true)
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), DECIDED_WITHIN).unref()
    const decide = (decision: unknown): void => {
      clearTimeout(timer)
      resolve(decision === true)
    }
    Promise.resolve(request)
      .then(authorize)
      .then(decide, () => decide(false))
  })
}
