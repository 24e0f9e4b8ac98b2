import { setTimeout as pause } from 'node:timers/promises'
import { ask } from '../testing/ask.js'
import { shownUrl } from './http-options.js'

/** Whether the answer of a URL was made after an invalidation. */
export interface VerifiedUrl {
  readonly url: string
  /** `old`: made before the invalidation; `unclear`: within the same second. */
  readonly verdict: 'new' | 'old' | 'unclear' | 'failed'
  readonly text: string
}

/**
 * Asks a URL whether its answer was made after a moment. The field Age tells it, without a clock in common: an answer
 * without one was made for this request.
 *
 * @param since - the moment, of `performance.now()`
 */
export async function verifyUrl(
  asked: string,
  since: number,
  headers: Readonly<Record<string, string>>,
): Promise<VerifiedUrl> {
  const url = shownUrl(asked)
  for (let tries = 0; ; tries++) {
    try {
      const askedAt = performance.now()
      const { status, headers: fields } = await ask(new URL(asked), { method: 'GET', headers })
      const elapsed = Math.floor((askedAt - since) / 1000)
      const age = fields.age === undefined ? undefined : Number(fields.age)
      const text = `${status}, ${age === undefined ? 'made for this request' : `Age ${age}`}, ${elapsed} s after the invalidation`
      if (age === undefined || age < elapsed) return { url, verdict: 'new', text }
      if (age > elapsed + 1) return { url, verdict: 'old', text }
      if (tries === 2) return { url, verdict: age > elapsed ? 'old' : 'unclear', text }
    } catch (thrown) {
      return { url, verdict: 'failed', text: thrown instanceof Error ? thrown.message : String(thrown) }
    }
    await pause(1000)
  }
}
