/** What this folder offers to the frameworks: hits answered in front of them. */

export { matchingPrototypes } from '../node-internals/index.js'
export type { Arrival, FrontedApplication } from './application.js'
export { Doorway, type FrontDoor, type ServeOptions } from './front-door.js'
export {
  allows,
  checkFrontDoorOptions,
  checkNamed,
  describeObstacle,
  type FrontDoorOptions,
  type MiddlewareBefore,
  NOT_MOUNTED,
} from './front-door-options.js'
export { isRecognizable, originalOf, recognizable } from './original.js'
