import { adapterContract } from './contract.js'
import { expressFront } from './hosts/express.js'

adapterContract('Express 5, in front of it', expressFront)
