import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Request } from 'express'
import { DashboardDoor, type DashboardOptions, dashboardRequest, sendAnswer, type Watched } from '../dashboard/index.js'

export type { DashboardOptions } from '../dashboard/index.js'

/** A handler of Express, to be mounted below a path. */
export type ExpressDashboard = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

/** Creates the dashboard for Express. @throws as {@link DashboardDoor} */
export function expressDashboard(watched: Watched, options: DashboardOptions<Request> = {}): ExpressDashboard {
  const door = new DashboardDoor<Request>(watched, options)
  let isSaid = false
  return (request, response, next) => {
    const { baseUrl = '', originalUrl = '', url } = request as Request
    if (baseUrl !== '') {
      const asked = dashboardRequest(request, url, originalUrl)
      door
        .answer(asked, request as Request)
        .then((answer) => sendAnswer(response, answer), next)
        .catch(next)
      return
    }
    if (!isSaid) process.emitWarning(NOT_MOUNTED, 'FallbackCacheWarning')
    isSaid = true
    next()
  }
}

const NOT_MOUNTED =
  "the dashboard is mounted without a path and therefore not shown: app.use('/__cache', cached.dashboard())"
