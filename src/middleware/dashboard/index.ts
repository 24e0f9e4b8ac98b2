/** What this folder offers to the frameworks: how requests are passed to the dashboard, which is loaded when it is asked for. */

export type { Watched } from '../../dashboard/dashboard.js'
export type { DashboardOptions } from './dashboard-options.js'
export { dashboardRequest, sendAnswer } from './dashboard-request.js'
export { DashboardDoor } from './door.js'
