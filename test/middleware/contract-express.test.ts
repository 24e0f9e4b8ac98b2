import { adapterContract } from './contract.js'
import { express } from './hosts/express.js'

adapterContract('Express 5', express)
