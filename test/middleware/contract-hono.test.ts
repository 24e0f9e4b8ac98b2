import { frameworkContract } from './contract.js'
import { hono } from './hosts/hono.js'

frameworkContract('Hono', hono)
