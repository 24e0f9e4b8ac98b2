import { describe } from 'vitest'
import { frameworkContract } from './contract.js'
import { completenessContract } from './contract-completeness.js'
import { queryContract } from './contract-query.js'
import { streamsContract } from './contract-streams.js'
import { honoFetch } from './hosts/hono.js'

// What passes between the Fetch API and Node.js: bodies in both directions. `npm run compat` runs the whole contract.
if (process.env.WHOLE_CONTRACT === '1') {
  frameworkContract('Hono over the Fetch API', honoFetch)
} else {
  describe('fallbackCache in Hono over the Fetch API', () => {
    queryContract(honoFetch)
    streamsContract(honoFetch)
    completenessContract(honoFetch)
  })
}
