import { adapterContract } from './contract.js'
import { koa2 } from './hosts/koa.js'

adapterContract('Koa 2', koa2)
