import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Condition, type Demo, type DemoState, isAction, type Note } from './demo.js'
import type { SeenRequest } from './front.js'
import type { WriteShown } from './writer.js'

/** One message of the event stream. */
interface Update {
  readonly requests: readonly SeenRequest[]
  readonly notes: readonly Note[]
  readonly history: readonly Condition[]
  readonly state: DemoState
  readonly write?: WriteShown | undefined
}

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/demo/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/demo/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/demo/story.js': ['story.js', 'text/javascript; charset=utf-8'],
  '/demo/timeline.js': ['timeline.js', 'text/javascript; charset=utf-8'],
}

const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}

const UPDATE_INTERVAL_MS = 150

/** Answers for the page, its event stream and its buttons; false for everything else, which is the apps' business. */
export function demoPages(demo: Demo): (req: IncomingMessage, res: ServerResponse) => boolean {
  return (req, res) => {
    const path = req.url?.split('?')[0] ?? '/'
    const file = FILES[path]
    if (file !== undefined) sendFile(res, file)
    else if (path === '/demo/events') streamEvents(req, res, demo)
    else if (path === '/demo/state') sendJson(res, 200, { ...demo.state, lastWrite: demo.lastWrite })
    else if (path.startsWith('/demo/do/')) act(req, res, demo, path.slice('/demo/do/'.length))
    else if (path === '/favicon.ico') res.writeHead(204).end()
    else return false
    return true
  }
}

function sendFile(res: ServerResponse, [file, type]: readonly [string, string]): void {
  const body = readFileSync(new URL(`page/${file}`, import.meta.url))
  res.writeHead(200, { ...HEADERS, 'Content-Type': type }).end(body)
}

function sendJson(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { ...HEADERS, 'Content-Type': 'application/json; charset=utf-8' }).end(JSON.stringify(body))
}

/** Only the page itself can press a button: no other site can send this field along. */
function act(req: IncomingMessage, res: ServerResponse, demo: Demo, name: string): void {
  if (req.method !== 'POST' || req.headers['x-demo'] !== '1') {
    sendJson(res, 403, { error: 'POST with X-Demo: 1' })
    return
  }
  if (!isAction(name)) {
    sendJson(res, 404, { error: 'no such action' })
    return
  }
  demo.do(name).then(
    () => sendJson(res, 200, demo.state),
    (error) => sendJson(res, 500, { error: String(error) }),
  )
}

function streamEvents(req: IncomingMessage, res: ServerResponse, demo: Demo): void {
  res.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream' })
  let requests: SeenRequest[] = []
  let notes: Note[] = []
  let history: Condition[] = []
  let write: WriteShown | undefined
  const send = (update: Update) => res.write(`data: ${JSON.stringify(update)}\n\n`)
  const onRequest = (request: SeenRequest) => void requests.push(request)
  const onNote = (note: Note) => void notes.push(note)
  const onCondition = (condition: Condition) => void history.push(condition)
  const onWrite = (shown: WriteShown) => {
    write = shown
  }
  send({ requests: demo.requests, notes: demo.notes, history: demo.history, state: demo.state, write: demo.lastWrite })
  demo.on('request', onRequest).on('note', onNote).on('condition', onCondition).on('write', onWrite)
  const timer = setInterval(() => {
    send({ requests, notes, history, state: demo.state, write })
    requests = []
    notes = []
    history = []
    write = undefined
  }, UPDATE_INTERVAL_MS)
  req.once('close', () => {
    clearInterval(timer)
    demo.off('request', onRequest).off('note', onNote).off('condition', onCondition).off('write', onWrite)
  })
}
