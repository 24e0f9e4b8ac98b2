import { adapterContract } from './contract.js'
import { express4Front } from './hosts/express.js'

adapterContract('Express 4, in front of it', express4Front)
