import { frameworkContract } from './contract.js'
import { express4 } from './hosts/express.js'

frameworkContract('Express 4', express4)
