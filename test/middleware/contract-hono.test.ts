import { adapterContract } from './contract.js'
import { hono } from './hosts/hono.js'

adapterContract('Hono', hono)
