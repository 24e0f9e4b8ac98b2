import type { AddressInfo } from 'node:net'
import express from 'express'
import { Registry } from 'prom-client'
import { fallbackCache } from '../../../src/middleware/express.js'
import { registerMetrics } from '../../../src/observe/prometheus.js'

// Started by the test with the URL of a Redis: a small shop that a Prometheus scrapes, in either format. Tells its port.

const cached = fallbackCache({
  ttl: 0.05,
  staleWhileRevalidate: 60,
  maxEntries: 5,
  redis: process.argv[2],
  logger: { info: () => {}, warn: () => {} },
})
const text = new Registry()
const openMetrics = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>()
openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE)
for (const registry of [text, openMetrics]) registerMetrics(registry, cached)

const app = express()
app.get('/metrics', async (_req, res) => {
  const registry = process.argv[3] === 'openmetrics' ? openMetrics : text
  res.type(registry.contentType).send(await registry.metrics())
})
app.use(cached)
app.get('/page/:id', (_req, res) => res.send('page'))
app.get('/own', (_req, res) => res.set('Cache-Control', 'no-store').send('own'))
app.post('/page/:id', (_req, res) => res.send('changed'))
const server = app.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit(0))
