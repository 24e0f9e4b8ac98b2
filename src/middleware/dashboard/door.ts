import { type DashboardAnswer, type DashboardRequest, refusal } from '../../dashboard/answer.js'
import type { Dashboard, DashboardSettings, Watched } from '../../dashboard/dashboard.js'
import { type DashboardOptions, readDashboardOptions } from './dashboard-options.js'

/** The dashboard of a cache. Its code and its page are loaded only when an application asks for it. */
export class DashboardDoor<Request> {
  readonly #loaded: Promise<Dashboard<Request> | undefined>

  /** @throws TypeError for an invalid option; Error in production without `authorize` or `public: true` */
  constructor(watched: Watched, options: DashboardOptions<Request>) {
    this.#loaded = load(watched, readDashboardOptions(options))
  }

  /** The answer to a request. Never rejects. */
  async answer(request: DashboardRequest, framework: Request): Promise<DashboardAnswer> {
    const dashboard = await this.#loaded
    return dashboard?.answer(request, framework) ?? refusal(500, 'the dashboard could not be loaded')
  }
}

async function load<Request>(
  watched: Watched,
  settings: DashboardSettings<Request>,
): Promise<Dashboard<Request> | undefined> {
  try {
    const loaded = await import('../../dashboard/dashboard.js')
    return new loaded.Dashboard(watched, await watched.board(), settings)
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error), 'FallbackCacheWarning')
    return undefined
  }
}
