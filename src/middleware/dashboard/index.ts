export type { Watched } from '../../dashboard/dashboard.js'
export type { DashboardOptions } from './dashboard-options.js'
export { dashboardRequest, sendAnswer } from './dashboard-request.js'
export { DashboardDoor } from './door.js'
