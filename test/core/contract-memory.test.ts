import { afterEach } from 'vitest'
import { FallbackCache } from '../../src/core/fallback-cache.js'
import { ManualClock } from '../support/manual-clock.js'
import { valueContract } from './contract.js'

const open: FallbackCache[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((cache) => cache.close()))
})

valueContract('in memory', async (options) => {
  const clock = new ManualClock()
  const cache = new FallbackCache({ clock, ...options })
  open.push(cache)
  return { writer: cache, reader: cache, pass: (ms) => clock.advance(ms), seen: () => {} }
})
