import { adapterContract } from './contract.js'
import { express4 } from './hosts/express.js'

adapterContract('Express 4', express4)
