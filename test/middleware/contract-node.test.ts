import { frameworkContract } from './contract.js'
import { node } from './hosts/node.js'

frameworkContract('node:http', node)
