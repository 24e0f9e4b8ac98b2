import { adapterContract } from './contract.js'
import { koaFront } from './hosts/koa.js'

adapterContract('Koa 3, in front of it', koaFront)
