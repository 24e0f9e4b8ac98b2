// @ts-nocheck: the tracers are not installed with this project
'use strict'
// node test/apm/observed.cjs datadog|sentry|elastic [named] [front]: prints what the tracer reports of one miss and three hits in each
// arrangement, as JSON. `named`: with the recipe of docs/tracing.md. `front`: with its settings that keep the front door on. For npm run apm.
const { createServer } = require('node:http')
const { createRequire } = require('node:module')
const { join } = require('node:path')
const { gunzipSync } = require('node:zlib')

const [, , tracer] = process.argv
const [named, front] = ['named', 'front'].map((word) => process.argv.includes(word))
const load = createRequire(join(process.cwd(), '.cache/apm/package.json'))

/** Each starts its tracer, before anything is required, and returns how to read the names that it has reported so far. */
const TRACERS = {
  datadog() {
    process.env.DD_TRACE_EXPERIMENTAL_EXPORTER = 'log'
    process.env.DD_INSTRUMENTATION_TELEMETRY_ENABLED = 'false'
    process.env.DD_REMOTE_CONFIGURATION_ENABLED = 'false'
    process.env.DD_TRACE_STARTUP_LOGS = 'false'
    const names = []
    const { write } = process.stdout
    process.stdout.write = (text, ...rest) => {
      if (!String(text).startsWith('{"traces"')) return write.call(process.stdout, text, ...rest)
      for (const span of JSON.parse(text).traces.flat()) {
        if (span.meta?.['span.kind'] === 'server') names.push(span.resource)
      }
      return true
    }
    const dd = load('dd-trace').init({ plugins: true })
    return {
      names: () => names.splice(0),
      name(route) {
        // The server's span is the root of the trace in this process.
        const { started } = dd.scope().active()?.context()._trace ?? {}
        started?.[0]?.setTag('resource.name', `GET ${route}`)
      },
    }
  },
  sentry() {
    const names = []
    const Sentry = load('@sentry/node')
    Sentry.init({
      dsn: 'http://key@127.0.0.1:9/1',
      tracesSampleRate: 1,
      traceLifecycle: 'static',
      ...(front && { integrations: [Sentry.koaIntegration({ ignoreLayersType: ['middleware'] })] }),
      beforeSendTransaction(event) {
        names.push(event.transaction)
        return null
      },
    })
    return {
      names: () => names.splice(0),
      name(route) {
        const span = Sentry.getActiveSpan()
        if (span !== undefined) Sentry.updateSpanName(Sentry.getRootSpan(span), `GET ${route}`)
      },
    }
  },
  elastic() {
    const names = []
    const collector = createServer((request, response) => {
      const chunks = []
      request.on('data', (chunk) => chunks.push(chunk))
      request.on('end', () => {
        if (request.url.startsWith('/intake')) {
          const body = Buffer.concat(chunks)
          const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body, { finishFlush: 2 }) : body
          for (const line of text.toString().split('\n')) {
            if (line !== '') names.push(...[JSON.parse(line).transaction?.name].filter(Boolean))
          }
          response.writeHead(202).end()
        } else response.end('{"version":"8.0.0"}')
      })
    })
    collector.listen(Number(process.env.COLLECTOR_PORT))
    const apm = load('elastic-apm-node').start({
      serverUrl: `http://127.0.0.1:${process.env.COLLECTOR_PORT}`,
      apiRequestTime: '1s',
      ...(front && { disableInstrumentations: ['express'] }),
      centralConfig: false,
      cloudProvider: 'none',
      logLevel: 'off',
      metricsInterval: 0,
      ignoreUrls: [/^\/intake/, /^\/config/, '/'],
    })
    return {
      names: async () => {
        await new Promise((resolve) => apm.flush(resolve))
        await new Promise((resolve) => setTimeout(resolve, 1_500))
        return names.splice(0)
      },
      name: (route) => apm.setTransactionName(`GET ${route}`),
    }
  },
}

const observed = TRACERS[tracer]()
const express = require('express')
const Koa = require('koa')
const Router = require('@koa/router')
const http = require('node:http')

if (named) {
  require('node:diagnostics_channel').subscribe('fallback-cache:request', ({ route }) => {
    if (route !== undefined) observed.name(route)
  })
}

function arrangedExpress(isFront) {
  const cached = require('fallback-cache/express').fallbackCache({ ttl: 60 })
  const app = express().use(cached)
  let entered = 0
  app.get('/products/:id', (_request, response) => response.send('product'))
  const { handle } = app
  app.handle = (...args) => {
    entered += 1
    return handle.apply(app, args)
  }
  return { server: isFront ? cached.serve(app) : http.createServer(app), entered: () => entered }
}

function arrangedKoa(isFront) {
  const cached = require('fallback-cache/koa').fallbackCache({ ttl: 60 })
  const app = new Koa()
  let entered = 0
  const { handleRequest } = app
  app.handleRequest = (...args) => {
    entered += 1
    return handleRequest.apply(app, args)
  }
  const router = new Router().get('/products/:id', (ctx) => {
    ctx.body = 'product'
  })
  app.use(cached).use(router.routes())
  return { server: isFront ? cached.serve(app) : http.createServer(app.callback()), entered: () => entered }
}

async function measured({ server, entered }) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  for (let at = 0; at < 4; at++) {
    await new Promise((resolve, reject) => {
      const request = http.get({ port, path: '/products/1', agent: false }, (response) =>
        response.resume().on('end', resolve),
      )
      request.on('error', reject)
    })
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
  const names = await observed.names()
  server.close()
  return { names, entered: entered() }
}

async function main() {
  const results = {}
  for (const [name, make] of Object.entries({
    'express use': () => arrangedExpress(false),
    'express serve': () => arrangedExpress(true),
    'koa use': () => arrangedKoa(false),
    'koa serve': () => arrangedKoa(true),
  })) {
    results[name] = await measured(make())
  }
  console.log(JSON.stringify(results))
  process.exit(0)
}

void main()
