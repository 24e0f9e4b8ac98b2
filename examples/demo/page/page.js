import { drawTimeline } from './timeline.js'

const MINUTE = 60_000
const REDRAW_MS = 100
const ROWS = 18
const NOTES = 9

const byId = (id) => document.getElementById(id)
const seconds = (at) => new Date(at).toTimeString().slice(0, 8)
const NAMES = { redis: 'Redis', memory: 'memory', handler: 'handler', collapsed: 'waited', none: 'not cached' }
const APPS = { express: 'Express', koa: 'Koa' }

/** Requests of the last minute, oldest first; how Redis and the breaker were, and since when. */
let requests = []
let states = []
let notes = []
let looking = false

new EventSource('/demo/events').addEventListener('message', ({ data }) => {
  const update = JSON.parse(data)
  const now = Date.now()
  requests = [...requests, ...update.requests].filter((request) => request.at > now - MINUTE)
  notes = [...notes, ...update.notes].slice(-NOTES)
  states = [...states, ...update.history]
  states = states.filter((_, i) => (states[i + 1]?.at ?? now) > now - MINUTE)
  if (update.notes.length > 0) showNotes()
  if (update.write) showWrite(update.write)
  if (update.requests.length > 0 && !looking) showRequests()
  showState(update.state)
  showFigures()
})

for (const button of document.querySelectorAll('[data-do]'))
  button.addEventListener('click', () => act(button.dataset.do))

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
  const button = [...document.querySelectorAll('[data-do]')].find(
    (each) => each.querySelector('kbd').textContent === event.key,
  )
  if (button && !button.disabled) act(button.dataset.do)
})

byId('requests').addEventListener('pointerenter', () => look(true))
byId('requests').addEventListener('pointerleave', () => look(false))
byId('curl').textContent = `curl -i '${location.origin}/cities?q=lisbn'`

draw()

function act(name) {
  fetch(`/demo/do/${name}`, { method: 'POST', headers: { 'X-Demo': '1' } })
}

function look(value) {
  looking = value
  byId('paused').hidden = !value
}

function draw() {
  drawTimeline(byId('timeline'), requests, states, Date.now(), MINUTE)
  setTimeout(requestAnimationFrame, REDRAW_MS, draw)
}

function showState({ redis, breaker, load, stats }) {
  const lamps = { up: 'good', external: 'good', frozen: 'warn', down: 'bad', none: '' }
  lamp('redis', { none: 'none: memory only', external: 'up' }[redis] ?? redis, lamps[redis])
  lamp(
    'breaker',
    redis === 'none' ? 'idle' : breaker,
    redis === 'none' ? '' : ({ closed: 'good', open: 'bad' }[breaker] ?? 'warn'),
  )
  const freeze = byId('freeze')
  freeze.dataset.do = redis === 'frozen' ? 'resume' : 'freeze'
  freeze.firstChild.data = redis === 'frozen' ? 'Resume Redis ' : 'Freeze Redis '
  byId('load').firstChild.data = load ? 'Load off ' : 'Load on '
  const ours = redis !== 'none' && redis !== 'external'
  for (const name of ['kill', 'freeze', 'resume', 'restart']) {
    const button = document.querySelector(`[data-do="${name}"]`)
    if (button) button.disabled = !ours || (redis === 'down' && name !== 'restart')
  }
  if (byId('stats').closest('details').open) showStats(stats)
}

function lamp(id, text, kind) {
  byId(id).className = `lamp ${kind ?? ''}`
  byId(id).querySelector('b').textContent = text
}

function showStats(stats) {
  byId('stats').replaceChildren(
    ...flat(stats, '').flatMap(([name, value]) => [element('dt', name), element('dd', String(value ?? '–'))]),
  )
}

function flat(value, name) {
  if (value === null || typeof value !== 'object') return [[name, value]]
  return Object.entries(value).flatMap(([part, inner]) => flat(inner, name === '' ? part : `${name}.${part}`))
}

function showFigures() {
  const reads = requests.filter((request) => request.method === 'GET')
  const share = (...sources) => {
    const count = reads.filter((request) => sources.includes(request.source)).length
    return reads.length === 0 ? '–' : `${Math.round((100 * count) / reads.length)} %`
  }
  const times = reads.map((request) => request.ms).sort((a, b) => a - b)
  const quantile = (q) =>
    times.length === 0 ? '–' : `${duration(times[Math.min(times.length - 1, Math.floor(q * times.length))])} ms`
  const failed = requests.filter((request) => request.status >= 400).length
  byId('answers').textContent = String(requests.length)
  byId('from-redis').textContent = share('redis')
  byId('from-memory').textContent = share('memory')
  byId('from-handler').textContent = share('handler')
  byId('p50').textContent = quantile(0.5)
  byId('p99').textContent = quantile(0.99)
  byId('failed').textContent = String(failed)
  byId('failed-figure').className = failed > 0 ? 'bad' : ''
}

function showRequests() {
  const rows = requests.slice(-ROWS).reverse()
  document
    .querySelector('#requests tbody')
    .replaceChildren(
      ...rows.map((request) =>
        row(
          [APPS[request.app]],
          [`${request.method} ${decodeURI(request.url)}`, '', request.cacheStatus],
          [NAMES[request.source], `source ${request.source}`],
          [APPS[request.computedBy] ?? '–', 'quiet'],
          [duration(request.ms), 'number'],
          [String(request.status), request.status >= 400 ? 'number failed' : 'number quiet'],
        ),
      ),
    )
}

function showWrite({ city, path, through, durable, written, reads }) {
  byId('write-none').hidden = true
  byId('write').hidden = false
  const kept = durable ? '' : ' Redis is away: the invalidation is kept for it.'
  byId('write-title').textContent =
    `PATCH ${path} through ${APPS[through]}: ${city} has ${written.toLocaleString('en')} people.${kept}`
  document
    .querySelector('#write tbody')
    .replaceChildren(
      ...reads.map((read) =>
        row(
          [APPS[read.app]],
          [read.before.toLocaleString('en'), 'number quiet'],
          [read.after.toLocaleString('en'), read.after === written ? 'number' : 'number failed'],
          [NAMES[read.source], `source ${read.source}`],
          [APPS[read.computedBy] ?? '–', 'quiet'],
        ),
      ),
    )
}

function showNotes() {
  byId('notes').replaceChildren(
    ...notes.toReversed().map((note) => {
      const item = element('li', '')
      item.className = note.kind
      item.append(element('time', seconds(note.at)), element('span', note.text))
      return item
    }),
  )
}

function row(...cells) {
  const line = document.createElement('tr')
  for (const [text, className = '', title] of cells) {
    const cell = element('td', text)
    cell.className = className
    if (title) cell.title = title
    line.append(cell)
  }
  return line
}

function element(name, text) {
  const made = document.createElement(name)
  made.textContent = text
  return made
}

function duration(ms) {
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms))
}
