import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import { ownStatus } from './cache-status-field.js'
import { shownUrl } from './http-options.js'

/** A URL to request, and the value of Host if it differs from that of the URL. */
export interface WarmTarget {
  readonly url: string
  readonly host: string | undefined
}

/** The rate and the limits of the requests. */
export interface WarmingPace {
  readonly concurrency: number
  /** Requests per second, in all. */
  readonly rate: number
  readonly headers: Readonly<Record<string, string>>
  /** Maximum time for a whole answer, in ms. */
  readonly timeout: number
}

/** The results of the requests. */
export interface WarmingCounts {
  readonly urls: number
  done: number
  /** Answered by the cache; stored now; answered without being stored, by the reason; failed, with examples. */
  hits: number
  stored: number
  readonly notStored: Record<string, number>
  failed: number
  readonly failures: string[]
  milliseconds: number
}

const MOST_FAILURES = 10
const MOST_REASONS = 100

/** Requests each target once. @param onProgress - called after each answer */
export async function requestAll(
  targets: readonly WarmTarget[],
  pace: WarmingPace,
  signal: AbortSignal,
  onProgress: (counts: WarmingCounts) => void,
): Promise<WarmingCounts> {
  const began = performance.now()
  const counts: WarmingCounts = {
    urls: targets.length,
    done: 0,
    hits: 0,
    stored: 0,
    notStored: Object.create(null) as Record<string, number>,
    failed: 0,
    failures: [],
    milliseconds: 0,
  }
  let next = 0
  const work = async (): Promise<void> => {
    for (let at = next++; at < targets.length && !signal.aborted; at = next++) {
      const early = began + (at / pace.rate) * 1000 - performance.now()
      if (early > 0) await pause(early, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      const target = targets[at]
      if (target !== undefined) await requestOne(target, pace, signal, counts)
      counts.done++
      counts.milliseconds = performance.now() - began
      onProgress(counts)
    }
  }
  await Promise.all(Array.from({ length: pace.concurrency }, work))
  return counts
}

async function requestOne(
  target: WarmTarget,
  pace: WarmingPace,
  signal: AbortSignal,
  counts: WarmingCounts,
): Promise<void> {
  const url = shownUrl(target.url)
  try {
    const { status, cacheStatus } = await answerTo(target, pace, signal)
    const told = ownStatus(cacheStatus)
    if (status >= 400) fail(counts, `${url} answered with ${status}`)
    else if (told?.isHit === true) counts.hits++
    else if (told?.parameters.stored === 'true') counts.stored++
    else {
      const { detail, fwd } = told?.parameters ?? {}
      const reason = told === undefined ? 'no Cache-Status' : (detail ?? fwd ?? 'unknown')
      const isKnown = reason in counts.notStored || Object.keys(counts.notStored).length < MOST_REASONS
      const name = isKnown ? reason : 'others'
      counts.notStored[name] = (counts.notStored[name] ?? 0) + 1
    }
  } catch (thrown) {
    if (!signal.aborted) fail(counts, `${url}: ${thrown instanceof Error ? thrown.message : thrown}`)
  }
}

function fail(counts: WarmingCounts, text: string): void {
  counts.failed++
  if (counts.failures.length < MOST_FAILURES) counts.failures.push(text)
}

/** Reads the whole answer, because only a complete response is stored, and discards its body. */
function answerTo(
  { url, host }: WarmTarget,
  { headers, timeout }: WarmingPace,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly cacheStatus: string }> {
  const request = url.startsWith('https:') ? requestHttps : requestHttp
  const either = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { headers: host === undefined ? headers : { ...headers, host }, signal: either },
      (response) => {
        const { statusCode: status = 0 } = response
        response.once('error', reject)
        response.once('end', () => {
          resolve({ status, cacheStatus: [response.headers['cache-status'] ?? ''].flat().join(', ') })
        })
        response.resume()
      },
    )
    asked.once('error', reject)
    asked.end()
  })
}
