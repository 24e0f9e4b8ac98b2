import { frameworkContract } from './contract.js'
import { koa2Front } from './hosts/koa.js'

frameworkContract('Koa 2, in front of it', koa2Front)
