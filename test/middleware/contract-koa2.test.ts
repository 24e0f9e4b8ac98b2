import { frameworkContract } from './contract.js'
import { koa2 } from './hosts/koa.js'

frameworkContract('Koa 2', koa2)
