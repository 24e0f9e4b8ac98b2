import { frameworkContract } from './contract.js'
import { express4Front } from './hosts/express.js'

frameworkContract('Express 4, in front of it', express4Front)
