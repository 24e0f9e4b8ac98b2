import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ExampleProcess } from '../examples/example-process.js'
import { seriousFaults, TestBrowser } from './browser.js'

/** Where the pictures of README.md are written, if `PICTURES` is set. */
const PICTURES = process.env.PICTURES === undefined ? undefined : 'docs'

describe.skipIf(process.env.CHROMIUM === undefined)('the tour in a browser', () => {
  let demo: ExampleProcess
  let browser: TestBrowser
  let url: string

  beforeAll(async () => {
    demo = new ExampleProcess('demo/server.ts', { PORT: '0' })
    url = await demo.printed(/http:\/\/\S+/, 60_000)
    browser = await TestBrowser.start()
  }, 120_000)

  afterAll(async () => {
    await browser?.stop()
    await demo?.stop()
  })

  it('leads through an outage and a write, cause and effect in one view', async () => {
    const { page, complaints } = await browser.open(url)
    const story = page.locator('#story')
    await story.getByText('press Kill Redis').waitFor()
    for (const selector of ['#story', 'nav', '#timeline', '#apps li:last-child'])
      expect(await bottomOf(page, selector), selector).toBeLessThan(800)
    await page.waitForTimeout(PICTURES === undefined ? 1000 : 45_000)
    await page.getByRole('button', { name: 'Kill Redis' }).click()
    await story.getByText(/Redis has been dead for \d+ s\. \d+ answers since then, no error: memory answers/).waitFor()
    await page.getByText('memory alone').nth(3).waitFor()
    await page.keyboard.press('w')
    await story.getByText(/still read the old one from memory: the invalidation is kept/).waitFor()
    expect(await page.locator('#apps .new').count()).toBe(1)
    expect(await page.locator('#apps .old').count()).toBe(3)
    if (PICTURES !== undefined) {
      await page.waitForTimeout(8000)
      await page.screenshot({ path: `${PICTURES}/demo.png` })
      await page.emulateMedia({ colorScheme: 'dark' })
      await page.screenshot({ path: `${PICTURES}/demo-dark.png` })
    }
    await page.keyboard.press('r')
    await story.getByText(/One writes, all read\..* every process reads the new record (at once|after \d+ s)/).waitFor()
    expect(await page.locator('#apps .new').count()).toBe(4)
    expect(await page.locator('body').innerText()).not.toMatch(/\[object|undefined|NaN/)
    expect(complaints).toEqual([])
  })

  it('has no serious fault of accessibility, in light and dark', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page } = await browser.open(url, { colorScheme })
      await page.locator('#apps li').nth(3).waitFor()
      expect(await seriousFaults(page)).toEqual([])
    }
  })

  it('fits a phone, all processes in the first view', async () => {
    const { page } = await browser.open(url, { viewport: { width: 375, height: 812 }, deviceScaleFactor: 2 })
    await page.locator('#apps li').nth(3).waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(375)
    expect(await bottomOf(page, '#apps li:last-child')).toBeLessThan(812)
  })

  it('has the dashboard of all processes one click away', async () => {
    const { page } = await browser.open(url)
    const [dashboard] = await Promise.all([
      page.context().waitForEvent('page'),
      page.getByRole('link', { name: 'Dashboard' }).click(),
    ])
    await dashboard.getByText('all (4)').waitFor({ state: 'attached', timeout: 30_000 })
  })
})

function bottomOf(page: { evaluate(script: string): Promise<unknown> }, selector: string): Promise<unknown> {
  return page.evaluate(`document.querySelector('${selector}').getBoundingClientRect().bottom`)
}
