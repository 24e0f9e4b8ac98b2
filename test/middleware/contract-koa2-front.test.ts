import { adapterContract } from './contract.js'
import { koa2Front } from './hosts/koa.js'

adapterContract('Koa 2, in front of it', koa2Front)
