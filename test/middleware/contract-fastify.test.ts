import { adapterContract } from './contract.js'
import { fastify } from './hosts/fastify.js'

adapterContract('Fastify 5', fastify)
