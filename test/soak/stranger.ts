import { rmSync } from 'node:fs'
import { relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bundled } from '../../scripts/bundled.mjs'
import { ownFolder, type Release, writeOtherProtocol } from '../support/other-protocol.js'
import { moment } from './records.js'

let release: Promise<Pick<Release, 'FallbackCache'>> | undefined

/** A release with another protocol, in one file. */
async function otherRelease(): Promise<Pick<Release, 'FallbackCache'>> {
  const folder = ownFolder('stranger')
  writeOtherProtocol(folder)
  const path = bundled(`${relative('.', folder)}/fallback-cache.ts`)
  rmSync(folder, { recursive: true })
  return (await import(path)) as Release
}

/**
 * Uses the Redis of the soak test for so many milliseconds, with its key prefix and another protocol.
 *
 * @returns what it was given and should not have been
 */
export async function beStranger(url: string, duration: number): Promise<string | undefined> {
  release ??= otherRelease()
  const { FallbackCache } = await release
  const until = moment() + duration
  const logger = { info: () => {}, warn: () => {} }
  const cache = new FallbackCache({ redis: url, keyPrefix: 'soak:', circuitBreaker: { cooldown: 0.1 }, logger })
  try {
    do {
      await cache.getOrSet('item:a:1', () => 'of the stranger')
      const { durable } = await cache.clear()
      if (durable || cache.stats().connected) return 'has the log of another protocol whose processes are there'
      await sleep(20)
    } while (moment() < until)
    return undefined
  } finally {
    await cache.close()
  }
}
