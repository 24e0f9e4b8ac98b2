import { createHash, randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import express5 from 'express'
import express4 from 'express4'
import multer from 'multer'
import { describe, expect, it } from 'vitest'
import { expresses, koas, useStage } from './stage.js'

const stage = useStage()
const parsers = { 'Express 5': express5, 'Express 4': express4 }
const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function post(url: string, body: RequestInit['body'], headers: Record<string, string> = {}) {
  const answer = await fetch(url, { method: 'POST', body: body as never, headers })
  return { status: answer.status, text: await answer.text() }
}

describe.each(expresses)('request bodies in %s', (version, createApplication) => {
  it.each(['in front of', 'behind'])('are files of any size for multer %s the cache, and invalidate', async (place) => {
    const bytes = randomBytes(5 * 2 ** 20)
    const upload = multer().fields([{ name: 'file' }, { name: 'other' }])
    const app = createApplication()
    let saved: string[] = []
    const cached = stage.express()
    app.use(...(place === 'behind' ? [cached, upload] : [upload, cached]))
    app.get('/files', (_req, res) => void res.json(saved))
    app.post('/files', (req, res) => {
      const files = Object.values(req.files as Record<string, Express.Multer.File[]>).flat()
      saved = files.map(({ originalname, buffer }) => `${originalname} ${hash(buffer)}`)
      res.status(201).json({ title: req.body.title })
    })
    const get = await stage.serve(app)
    expect([(await get('/files')).text, (await get('/files')).cacheStatus.hit]).toEqual(['[]', true])
    const form = new FormData()
    form.set('title', 'holidays')
    form.set('file', new File([bytes], 'beach.jpg'))
    form.set('other', new File(['x'], 'x.txt'))
    const answer = await post(`http://127.0.0.1:${get.port}/files`, form)
    expect(answer).toEqual({ status: 201, text: '{"title":"holidays"}' })
    const after = await get('/files')
    expect([after.cacheStatus.hit, JSON.parse(after.text)]).toEqual([
      false,
      [`beach.jpg ${hash(bytes)}`, `x.txt ${hash(Buffer.from('x'))}`],
    ])
  })

  it('that multer refuses are told so, and invalidate nothing', async () => {
    const app = createApplication()
    app.use(stage.express())
    app.get('/files', (_req, res) => void res.send('files'))
    app.post('/files', multer({ limits: { fileSize: 10 } }).single('file'), (_req, res) => void res.send('saved'))
    const get = await stage.serve(app)
    await get('/files')
    const form = new FormData()
    form.set('file', new File([randomBytes(2 ** 20)], 'large'))
    expect((await post(`http://127.0.0.1:${get.port}/files`, form)).status).toBe(500)
    expect((await get('/files')).cacheStatus.hit).toBe(true)
  })

  it.each(['in front of', 'behind'])('are read by the parsers %s the cache, each its own', async (place) => {
    const { json, raw, text: plain, urlencoded } = parsers[version]
    const parse = [json(), urlencoded({ extended: true }), plain(), raw({ limit: '2mb' })]
    const app = createApplication()
    const cached = stage.express()
    app.use(...(place === 'behind' ? [cached, ...parse] : [...parse, cached]))
    app.all('/echo', (req, res) => {
      const { body } = req
      if (Buffer.isBuffer(body)) res.send(hash(body))
      else res.json({ method: req.method, body })
    })
    const get = await stage.serve(app)
    await get('/echo')
    const url = `http://127.0.0.1:${get.port}/echo`
    for (let round = 0; round < 2; round++) {
      for (const [type, body, expected] of [
        ['application/json', '{"a":1}', { a: 1 }],
        ['application/x-www-form-urlencoded', 'a[b]=1&c=2', { a: { b: '1' }, c: '2' }],
        ['text/plain', 'text', 'text'],
      ] as const) {
        const answer = await post(url, body, { 'content-type': type })
        expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { method: 'POST', body: expected }])
      }
      const bytes = randomBytes(2 ** 20)
      expect((await post(url, bytes, { 'content-type': 'application/octet-stream' })).text).toBe(hash(bytes))
    }
    // An answer that depends on a body is for its request only, with any method.
    const fields = { 'content-type': 'application/json', 'content-length': '7' }
    expect(JSON.parse((await get('/echo', { fields, body: '{"a":1}' })).text).body).toEqual({ a: 1 })
    expect(JSON.parse((await get('/echo')).text).body ?? {}).toEqual({})
  })

  it('whose JSON is broken are a 400, which is not stored', async () => {
    const app = createApplication()
    app.use(stage.express(), parsers[version].json())
    app.get('/echo', (req, res) => void res.json(req.body ?? {}))
    const get = await stage.serve(app)
    const fields = { 'content-type': 'application/json', 'content-length': '1' }
    expect((await get('/echo', { fields, body: '{' })).status).toBe(400)
    expect((await get('/echo')).status).toBe(200)
  })
})

describe.each(koas)('request bodies in %s', (_, createApplication) => {
  it('stream through to the handler, whole, and invalidate', async () => {
    let saved = ''
    const app = createApplication()
    app.use(stage.koa())
    app.use(async (ctx) => {
      if (ctx.method === 'POST') saved = await text(ctx.req)
      ctx.body = `saved ${hash(Buffer.from(saved))}`
    })
    const get = await stage.serve(app)
    await get('/')
    const large = randomBytes(2 ** 20).toString('base64')
    const expected = `saved ${hash(Buffer.from(large))}`
    expect(await post(`http://127.0.0.1:${get.port}/`, large)).toEqual({ status: 200, text: expected })
    const after = await get('/')
    expect([after.text, after.cacheStatus.hit]).toEqual([expected, false])
  })
})
