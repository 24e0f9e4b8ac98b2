/** What this folder offers to the frameworks: hits answered in front of them. */

export { matchingPrototypes } from '../node-internals/index.js'
export type { Arrival, FrontedApplication } from './application.js'
export type { FrontDoor, ServeOptions } from './front-door.js'
export {
  allows,
  checkNamed,
  describeObstacle,
  type FrontDoorOptions,
  type MiddlewareBefore,
  NOT_MOUNTED,
} from './front-door-options.js'
export { fronted } from './fronted.js'
export { isRecognizable, originalOf } from './original.js'
