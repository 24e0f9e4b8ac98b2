import { frameworkContract } from './contract.js'
import { fastify } from './hosts/fastify.js'

frameworkContract('Fastify 5', fastify)
