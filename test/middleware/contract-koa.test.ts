import { adapterContract } from './contract.js'
import { koa } from './hosts/koa.js'

adapterContract('Koa 3', koa)
