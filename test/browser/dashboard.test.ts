import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildDashboardPage } from '../../scripts/dashboard-page.mjs'
import { type FallbackCacheMiddleware, fallbackCache } from '../../src/middleware/express.js'
import { RedisServer } from '../support/redis-server.js'
import { until } from '../support/until.js'
import { seriousFaults, TestBrowser } from './browser.js'

/** Where the pictures of README.md and docs/dashboard.md are written, if `PICTURES` is set. */
const PICTURES = process.env.PICTURES === undefined ? undefined : 'docs/images'

describe.skipIf(process.env.CHROMIUM === undefined)('the dashboard in a browser', () => {
  let redis: RedisServer
  let cached: FallbackCacheMiddleware
  let server: Server
  /** Another process would be the same: nothing but Redis is shared. */
  let other: { readonly cached: FallbackCacheMiddleware; readonly server: Server; readonly url: string }
  let browser: TestBrowser
  let url: string
  let traffic: NodeJS.Timeout | undefined

  beforeAll(async () => {
    await buildDashboardPage()
    redis = await RedisServer.start()
    const first = await newProcess(redis.url)
    cached = first.cached
    server = first.server
    url = first.url
    other = await newProcess(redis.url)
    browser = await TestBrowser.start()
    traffic = setInterval(() => ask(Math.random() < 0.7 ? url : other.url), 8)
    await new Promise((resolve) => setTimeout(resolve, 20_000))
  }, 120_000)

  afterAll(async () => {
    clearInterval(traffic)
    await browser?.stop()
    for (const one of [{ server, cached }, other]) {
      one?.server?.closeAllConnections()
      one?.server?.close()
      await one?.cached?.close()
    }
    await redis?.stop()
  })

  it('draws its charts from the traffic', async () => {
    const { page, complaints } = await browser.open(`${url}/__cache/`)
    await page.getByText('Where answers come from').waitFor()
    await page.waitForTimeout(3000)
    expect(await page.locator('cache-chart canvas').count()).toBe(4)
    for (const colours of await coloursOf(page)) expect(colours).toBeGreaterThan(3)
    expect(await tile(page, 'Hit ratio')).toMatch(/^\d+(\.\d)? %$/)
    expect(await page.getByRole('status').first().innerText()).toBe('Redis connected')
    expect(await page.getByRole('table').first().innerText()).toMatch(/\/products\/:id/)
    expect(complaints).toEqual([])
    await page.getByText('all (2)').waitFor({ state: 'attached', timeout: 15_000 })
    await picture(page, 'dashboard')
  })

  it('has no serious fault of accessibility, in light and dark, in all views', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, complaints } = await browser.open(`${url}/__cache/`, { colorScheme })
      await page.getByText('Where answers come from').waitFor()
      await page.waitForTimeout(2500)
      if (colorScheme === 'dark') await picture(page, 'dashboard-dark')
      for (const view of ['Overview', 'Processes', 'Routes', 'Not cached', 'Entries', 'Invalidate', 'Live']) {
        await page.getByRole('link', { name: view, exact: true }).click()
        await page.waitForTimeout(300)
        expect([view, await seriousFaults(page)]).toEqual([view, []])
      }
      expect(complaints).toEqual([])
    }
  })

  it('is used with the keyboard alone', async () => {
    const { page } = await browser.open(`${url}/__cache/`)
    await page.getByText('Where answers come from').waitFor()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    for (let presses = 0; presses < 12; presses++) {
      await page.keyboard.press('Tab')
      if ((await page.evaluate('document.activeElement.textContent')) === 'Routes') break
    }
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Routes' }).waitFor()
    await page.getByRole('button', { name: 'Handler p99' }).focus()
    await page.keyboard.press('Enter')
    expect(await page.getByRole('columnheader', { name: /Handler p99/ }).getAttribute('aria-sort')).toBe('descending')
  })

  it('fits a phone', async () => {
    const { page } = await browser.open(`${url}/__cache/`, {
      viewport: { width: 375, height: 812 },
      deviceScaleFactor: 2,
    })
    await page.getByText('Where answers come from').waitFor()
    await page.waitForTimeout(2500)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(375)
    await picture(page, 'dashboard-phone')
  })

  it('invalidates a path with the keyboard, and says that every process knows', async () => {
    const { page, complaints } = await browser.open(`${url}/__cache/#invalidate`)
    await page.getByLabel('Value').fill('/products/1')
    const before = cached.stats().counters.invalidations
    await page.keyboard.press('Enter')
    await page.getByText(/path \/products\/1 covers \d+ entr.* Nothing was invalidated/).waitFor()
    expect(cached.stats().counters.invalidations).toBe(before)
    await page.getByRole('button', { name: 'Invalidate' }).focus()
    await page.keyboard.press('Enter')
    await page.getByText(/path \/products\/1: invalidated in every process/).waitFor()
    const confirmed = page.getByRole('list', { name: 'Processes that have applied it' })
    await confirmed.getByText('has applied it').nth(1).waitFor()
    expect(await confirmed.getByRole('listitem').count()).toBe(2)
    expect(cached.stats().counters.invalidations).toBe(before + 1)
    expect(complaints).toEqual([])
  })

  it('shows all processes as one, and one by one', async () => {
    const { page, complaints } = await browser.open(`${url}/__cache/#processes`)
    await page.getByRole('row', { name: /answers this page/ }).waitFor()
    await page.getByRole('row').nth(2).waitFor({ timeout: 15_000 })
    expect(await page.getByRole('row').count()).toBe(3)
    await page.getByRole('link', { name: 'Overview' }).click()
    const requests = async () =>
      Number(
        /([\d,]+) since/.exec(await page.locator('.tile', { hasText: 'Requests' }).innerText())?.[1]?.replace(',', ''),
      )
    const ofAll = await requests()
    const select = page.getByLabel('Process')
    for (const index of [1, 2]) {
      await select.selectOption({ index })
      expect(await requests()).toBeLessThan(ofAll)
      expect(await requests()).toBeGreaterThan(0)
    }
    expect(complaints).toEqual([])
  })

  it('shows an entry with its fields, and the largest', async () => {
    const { page, complaints } = await browser.open(`${url}/__cache/#entries`)
    await page.getByRole('region', { name: 'Largest entries' }).waitFor()
    await page.getByLabel('Key begins with').fill('/products/1')
    await page.keyboard.press('Enter')
    await page
      .getByRole('button', { name: /^\/products\/1/ })
      .first()
      .click()
    const entry = page.getByRole('region', { name: 'One entry' })
    await entry.getByText('application/json').first().waitFor()
    expect(await page.evaluate('document.activeElement.id')).toBe('entry')
    expect(await entry.innerText()).toMatch(/Request\s+GET http.*\/products\/1/)
    expect(complaints).toEqual([])
  })

  it('shows everything as text', async () => {
    const { page, complaints } = await browser.open(`${url}/__cache/#live`)
    await page
      .getByText(/\bhit\b/)
      .first()
      .waitFor()
    await fetch(`${url}/products/${encodeURIComponent('<img src=x onerror=alert(1)>')}`)
    await page
      .getByText('<img', { exact: false })
      .or(page.getByText('%3Cimg', { exact: false }))
      .first()
      .waitFor()
    expect(await page.locator('main img').count()).toBe(0)
    await writeStranger(redis)
    await page.getByRole('link', { name: 'Processes' }).click()
    await page.getByRole('button', { name: '<b onclick=alert(1)>host:' }).first().waitFor({ timeout: 15_000 })
    expect(await page.locator('main img, main b').count()).toBe(0)
    expect(complaints).toEqual([])
  })

  it('shows the report of shadow mode, in light and dark, on a phone', async () => {
    const shadow = fallbackCache({ ttl: 60, mode: 'shadow' })
    const shadowed = createServer(shop(shadow))
    await new Promise<void>((resolve) => shadowed.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(shadowed.address() as AddressInfo).port}`
    for (const user of ['1', '1', '2', '1', '2']) {
      await fetch(`${address}/news`, { headers: { cookie: `seen=${user}` } })
      await fetch(`${address}/products/1`)
      await fetch(`${address}/categories/lamps`)
      await fetch(`${address}/account`, { headers: { cookie: 'session=1' } })
    }
    for (const options of [{}, { colorScheme: 'dark' as const }, { viewport: { width: 375, height: 812 } }]) {
      const { page, complaints } = await browser.open(`${address}/__cache/`, options)
      await page.getByRole('link', { name: 'Shadow', exact: true }).click()
      const routes = page.getByRole('region', { name: 'Answers by route' })
      expect(await routes.getByRole('row', { name: '/products/:id' }).innerText()).toMatch(/5\s+80\.0 %/)
      const leaked = page.getByRole('row', { name: /^leaked/ })
      expect(await leaked.innerText()).toMatch(/leaked\s+[1-9]/)
      const refused = page.getByRole('region', { name: 'Refusals in shadow mode' })
      expect(await refused.getByRole('row', { name: 'cookie' }).innerText()).toMatch(/inputs\.ignore/)
      expect(await tile(page, 'Hit ratio')).toMatch(/ %$/)
      const ofAll = `of ${shadow.shadowReport()?.all.handlerSeconds.toFixed(1)} s`
      expect(await page.locator('.tile', { hasText: 'Handler time' }).locator('.hint').innerText()).toBe(ofAll)
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
      expect(await seriousFaults(page)).toEqual([])
      expect(complaints).toEqual([])
    }
    const { page } = await browser.open(`${url}/__cache/`)
    await page.getByText('Where answers come from').waitFor()
    expect(await page.getByRole('link', { name: 'Shadow', exact: true }).count()).toBe(0)
    shadowed.closeAllConnections()
    shadowed.close()
    await shadow.close()
  })

  it('shows the report of the mode verify, in light and dark, on a phone', async () => {
    const cache = fallbackCache({ ttl: 60, mode: 'verify', verifyShare: 1 })
    const verified = createServer(shop(cache))
    await new Promise<void>((resolve) => verified.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(verified.address() as AddressInfo).port}`
    await until('compared', async () => {
      await fetch(`${address}/products/1`)
      return (cache.verifyReport()?.compared ?? 0) > 1
    })
    for (const options of [{}, { colorScheme: 'dark' as const }, { viewport: { width: 375, height: 812 } }]) {
      const { page, complaints } = await browser.open(`${address}/__cache/`, options)
      await page.getByRole('link', { name: 'Verify', exact: true }).click()
      const routes = page.getByRole('region', { name: 'Answers by route' })
      const compared = cache.verifyReport()?.compared
      expect(await routes.getByRole('row', { name: '/products/:id' }).innerText()).toMatch(RegExp(`\\s${compared}\\s`))
      expect(await tile(page, 'Compared')).toBe(String(compared))
      expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
      expect(await seriousFaults(page)).toEqual([])
      expect(complaints).toEqual([])
    }
    verified.closeAllConnections()
    verified.close()
    await cache.close()
  })

  it('shows an outage while it lasts, and when it was', async () => {
    const { page } = await browser.open(`${url}/__cache/`)
    await page.getByText('Redis connected').waitFor()
    await redis.kill()
    await page.getByText(/outage.*memory answers/).waitFor({ timeout: 30_000 })
    await page.waitForTimeout(8000)
    await picture(page, 'dashboard-outage')
    await redis.restart()
    await until('Redis is used again', async () => cached.stats().connected, { timeout: 60_000, every: 100 })
    await page.getByText('Redis connected').waitFor({ timeout: 30_000 })
    await page.getByText(/Outages: \d\d:\d\d:\d\d to/).waitFor({ timeout: 30_000 })
  })

  async function picture(given: Page, name: string): Promise<void> {
    if (PICTURES !== undefined) await given.screenshot({ path: `${PICTURES}/${name}.png` })
  }
})

/** The number of different colours in each canvas. */
async function coloursOf(page: Page): Promise<readonly number[]> {
  return (await page.evaluate(`Array.from(document.querySelectorAll('cache-chart canvas'), (canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    const colours = new Set()
    for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 0) colours.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2])
    return colours.size
  })`)) as readonly number[]
}

function tile(page: Page, name: string): Promise<string> {
  return page
    .locator('.tile', { has: page.getByRole('heading', { name, exact: true }) })
    .locator('.value')
    .innerText()
}

async function newProcess(redis: string) {
  const cached = fallbackCache({ ttl: 3, staleWhileRevalidate: 30, redis, redisTimeout: 1000 })
  const server = createServer(shop(cached))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { cached, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

/** A report as a stranger could write it: of the right form, with markup for names. */
async function writeStranger(redis: RedisServer): Promise<void> {
  const board = '{fallback-cache}:processes'
  const [id, at] = (await redis.command('ZRANGEBYSCORE', board, '-inf', '+inf', 'WITHSCORES')) as string[]
  const told = JSON.parse(String(await redis.command('GET', `${board}:of:${id}`)))
  const strange = '<img src=x onerror=alert(1)>/1/<script>alert(1)</script>'
  await redis.command('ZADD', board, String(at), strange)
  const text = JSON.stringify({ ...told, host: '<b onclick=alert(1)>host' })
  await redis.command('SET', `${board}:of:${strange}`, text, 'PX', '20000')
}

function shop(cached: FallbackCacheMiddleware): express.Express {
  const app = express()
  const hidden = new WeakMap<object, string | undefined>()
  app.use((req, _res, next) => {
    hidden.set(req, req.headers.cookie)
    next()
  })
  app.use('/__cache', cached.dashboard({ readOnly: false, environment: 'staging' }))
  app.use(cached)
  const work = (least: number, most: number) =>
    new Promise((resolve) => setTimeout(resolve, least + Math.random() ** 4 * (most - least)))
  app.get('/products/:id', async (req, res) => {
    await work(15, 120)
    res.json({ id: req.params.id, price: 20 })
  })
  app.get('/categories/:name', async (req, res) => {
    await work(40, 400)
    res.json({ name: req.params.name, products: Array.from({ length: 40 }, (_, id) => ({ id })) })
  })
  // Reads the visitor where the cache does not see it.
  app.get('/news', (req, res) => void res.json({ for: hidden.get(req) }))
  app.get('/account', (req, res) => void res.json({ hello: req.get('cookie') ?? 'stranger' }))
  app.get('/search', async (_req, res) => {
    await work(20, 60)
    res.set('cache-control', 'no-store').json({ found: [] })
  })
  return app
}

/** One request of a visitor; pages are not asked for equally often. */
async function ask(url: string): Promise<void> {
  const chance = Math.random()
  const path =
    chance < 0.7
      ? `/products/${Math.floor(Math.random() ** 3 * 60)}`
      : chance < 0.9
        ? `/categories/${['shoes', 'hats', 'coats', 'bags'][Math.floor(Math.random() * 4)]}`
        : chance < 0.96
          ? '/account'
          : '/search?q=hat'
  await fetch(url + path, chance >= 0.9 && chance < 0.96 ? { headers: { cookie: 'session=1' } } : {})
    .then((reply) => reply.arrayBuffer())
    .catch(() => {})
}
