import { adapterContract } from './contract.js'
import { node } from './hosts/node.js'

adapterContract('node:http', node)
