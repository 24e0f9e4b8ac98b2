import { describe } from 'vitest'
import { redisContract } from './contract-redis.js'
import { express } from './hosts/express.js'
import { koa } from './hosts/koa.js'

describe('fallbackCache in Express and in Koa', () => {
  redisContract(express, koa)
})
