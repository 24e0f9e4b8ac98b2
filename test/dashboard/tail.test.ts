import { afterEach, describe, expect, it, vi } from 'vitest'
import { Tail } from '../../src/dashboard/tail.js'
import { FallbackCache } from '../../src/index.js'

afterEach(() => void vi.useRealTimers())

function started() {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] })
  const cache = new FallbackCache()
  const [on, off] = [vi.spyOn(cache, 'on'), vi.spyOn(cache, 'off')]
  const times = ({ mock }: typeof on | typeof off, name: string) => mock.calls.filter(([one]) => one === name).length
  return { cache, tail: new Tail(cache), listeners: (name: string) => times(on, name) - times(off, name) }
}

/** The messages that a stream holds, as the page reads them. */
function messages(text: string): readonly { readonly events: readonly unknown[]; readonly left: number }[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, json = '']) => JSON.parse(json) as never)
}

describe('Tail', () => {
  it('tells a page that did not read how many events it has missed', async () => {
    const { cache, tail } = started()
    const stream = tail.watch()
    for (let turn = 0; turn < 40; turn++) {
      for (let index = 0; index < 60; index++) await cache.get(`${turn}-${index}-${'x'.repeat(200)}`)
      vi.advanceTimersByTime(500)
    }
    let text = ''
    stream?.on('data', (chunk) => {
      text += chunk
    })
    await expect.poll(() => messages(text).length).toBeGreaterThan(5)
    vi.advanceTimersByTime(500)
    const told = () => messages(text).reduce((sum, { events, left }) => sum + events.length + left, 0)
    await expect.poll(told).toBe(40 * 60)
    stream?.destroy()
  })

  it('lets a page go after ten minutes, also one that does not read', async () => {
    const { cache, tail, listeners } = started()
    for (const isBusy of [false, true]) {
      const stream = tail.watch()
      let isClosed = false
      stream?.on('close', () => {
        isClosed = true
      })
      for (let turn = 0; isBusy && turn < 40; turn++) {
        for (let index = 0; index < 60; index++) await cache.get(`${turn}-${index}-${'x'.repeat(200)}`)
        vi.advanceTimersByTime(500)
      }
      vi.advanceTimersByTime(600_000)
      vi.advanceTimersByTime(5000)
      if (!isBusy) stream?.resume()
      await expect.poll(() => isClosed).toBe(true)
      expect(listeners('miss')).toBe(0)
    }
  })

  it('listens once for all pages', () => {
    const { tail, listeners } = started()
    const streams = Array.from({ length: 8 }, () => tail.watch())
    expect(listeners('outage')).toBe(1)
    for (const stream of streams) stream?.destroy()
  })

  it('ends when the cache is closed', async () => {
    const { cache, tail, listeners } = started()
    const stream = tail.watch()
    stream?.resume()
    const ended = new Promise((resolve) => stream?.once('end', resolve))
    await cache.close()
    vi.advanceTimersByTime(500)
    await ended
    expect(listeners('hit')).toBe(0)
  })
})
