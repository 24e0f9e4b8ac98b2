import { describe, expect, it } from 'vitest'
import { ExampleProcess } from './example-process.js'

describe('npm run demo:outage', () => {
  it.skipIf(process.env.SKIP_REDIS === '1')(
    'takes Redis down and no user notices',
    { timeout: 60_000, retry: 1 },
    async () => {
      const { code, output } = await new ExampleProcess('demo/outage.ts', {}, ['--short']).ended()
      console.log(output)
      expect(output).toContain('no user noticed')
      expect(code).toBe(0)
    },
  )

  it('says what it needs when there is no redis-server', async () => {
    const { code, output } = await new ExampleProcess('demo/outage.ts', { SKIP_REDIS: '1' }).ended()
    expect(output).toContain('There is no redis-server to take down')
    expect(code).toBe(1)
  })
})
