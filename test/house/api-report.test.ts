import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { apiReports } from '../../scripts/api-report.mjs'

const REPORTS = [
  'api/index.md',
  'api/express.md',
  'api/koa.md',
  'api/fastify.md',
  'api/hono.md',
  'api/nestjs.md',
  'api/opentelemetry.md',
  'api/prometheus.md',
  'api/testing.md',
]

describe('the API reports', () => {
  let written: Readonly<Record<string, string>> = {}
  beforeAll(() => {
    written = apiReports()
  }, 300_000)

  it('are one for each entry', () => {
    expect(Object.keys(written)).toEqual(REPORTS)
  })

  it.each(REPORTS)('%s shows what users can import (npm run api)', (path) => {
    expect(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')).toBe(written[path])
  })

  it('show no internals of the cache', () => {
    expect(Object.values(written).join('')).not.toMatch(/CacheEngine|EntryStore|NewEntry|\bStamp\b/)
  })
})
