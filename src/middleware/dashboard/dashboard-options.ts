import { callable, flag, rejectUnknownOptions, text } from '../../core/option-checks.js'
import type { DashboardSettings } from '../../dashboard/dashboard.js'

/** The options of the dashboard. `Request` is what the framework passes to middleware: `req`, or the context of Koa. */
export interface DashboardOptions<Request = unknown> {
  /**
   * Decides who may use the dashboard. Called with each of its requests; may be asynchronous. Everything but `true`, and
   * an error, is answered with 403. Required if `NODE_ENV` begins with `prod`, unless `public` is true.
   */
  readonly authorize?: ((request: Request) => boolean | Promise<boolean>) | undefined
  /**
   * Permits a dashboard without `authorize` in production, and elsewhere by other names than `localhost` and IP addresses, for
   * an address that only operators reach. @defaultValue false
   */
  readonly public?: boolean | undefined
  /** Whether the dashboard only shows. If false, it can invalidate too. @defaultValue true */
  readonly readOnly?: boolean | undefined
  /** The name of the environment, shown in the header; at most 40 characters. @defaultValue `NODE_ENV`, or `development` */
  readonly environment?: string | undefined
}

const NAMES = {
  authorize: {},
  public: { otherNames: 'isPublic unsafe' },
  readOnly: { otherNames: 'readonly mutations' },
  environment: {},
}

/**
 * @throws TypeError for an invalid option
 * @throws Error in production without `authorize` or `public: true`
 */
export function readDashboardOptions<Request>(options: DashboardOptions<Request>): DashboardSettings<Request> {
  rejectUnknownOptions(options, NAMES, 'dashboard')
  const authorize = callable(options.authorize, 'authorize')
  const environment = text(options.environment ?? process.env.NODE_ENV ?? 'development', 'environment', 40)
  const isPublic = flag(options.public, 'public') === true
  if (authorize === undefined && !isPublic && isProduction(process.env.NODE_ENV)) {
    throw new Error(
      'dashboard() shows URLs and can be reached by everyone: in production, give authorize: (req) => boolean, or public: true if only operators can reach its address',
    )
  }
  return { authorize, isPublic, readOnly: flag(options.readOnly, 'readOnly') ?? true, environment }
}

/** Whether an environment is named so that the page shows it in red: `production`, `prod-eu`, `Production ` with a space. */
function isProduction(name = ''): boolean {
  return /^\s*prod/i.test(name)
}
