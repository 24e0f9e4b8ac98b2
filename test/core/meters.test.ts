import { describe, expect, it } from 'vitest'
import { Meters } from '../../src/core/meters.js'

describe('Meters', () => {
  it('counts routes separately, and in all', () => {
    const meters = new Meters()
    meters.of('/a').answered('memory', false)
    meters.of('/a').answered('redis', true)
    meters.of('/b').ran('miss')
    meters.of(undefined).ran('bypass')
    meters.of('/b').handler.record(20)
    meters.of('/a').saved += 40
    meters.of('/b').refuse('no-store')
    const stats = meters.stats()
    expect(stats.routes.map(({ route }) => route)).toEqual(['', '/a', '/b'])
    expect(stats.routes[1]?.requests).toMatchObject({ hit: { memory: 1, redis: 0 }, stale: { memory: 0, redis: 1 } })
    expect(stats.requests).toEqual({
      hit: { memory: 1, redis: 0 },
      stale: { memory: 0, redis: 1, origin: 0 },
      collapsed: { memory: 0 },
      revalidated: { origin: 0 },
      miss: { origin: 1 },
      bypass: { origin: 1 },
    })
    expect(stats).toMatchObject({ handler: { count: 1 }, savedSeconds: 0.04, refused: { 'no-store': 1 } })
  })

  it('counts each kind of answer under its own name', () => {
    const meters = new Meters()
    const meter = meters.of('/a')
    const times = (count: number, run: () => void) => Array.from({ length: count }, run)
    times(1, () => meter.answered('memory', false))
    times(2, () => meter.answered('redis', false))
    times(3, () => meter.answered('memory', true))
    times(4, () => meter.answered('redis', true))
    times(5, () => meter.ran('stale'))
    times(6, () => meter.ran('revalidated'))
    times(7, () => meter.ran('miss'))
    times(8, () => meter.ran('bypass'))
    meter.collapsed += 9
    meter.servedBytes += 10
    meters.of('').servedBytes += 1
    meters.of('/a').refuse('private')
    meters.of('/b').refuse('private')
    expect(meters.stats()).toMatchObject({
      requests: {
        hit: { memory: 1, redis: 2 },
        stale: { memory: 3, redis: 4, origin: 5 },
        collapsed: { memory: 9 },
        revalidated: { origin: 6 },
        miss: { origin: 7 },
        bypass: { origin: 8 },
      },
      servedBytes: 11,
      refused: { private: 2 },
    })
    expect(meters.of('')).toBe(meters.unknown)
  })

  it('counts the routes after the first 200 as one', () => {
    const meters = new Meters()
    for (let at = 0; at < 1000; at++) meters.of(`/${at}`).ran('miss')
    const { routes, requests } = meters.stats()
    expect(routes).toHaveLength(202)
    expect(routes.find(({ route }) => route === 'other')?.requests.miss.origin).toBe(800)
    expect(requests.miss.origin).toBe(1000)
  })

  it('counts a route of that name among them', () => {
    const meters = new Meters()
    expect(meters.of('other')).toBe(meters.of('other'))
    expect(meters.stats().routes.map(({ route }) => route)).toEqual(['', 'other'])
  })

  it('cuts long patterns', () => {
    const meters = new Meters()
    expect(meters.of(`/${'a'.repeat(10_000)}`).route).toHaveLength(200)
  })
})
