import { name, story } from './story.js'
import { drawTimeline } from './timeline.js'

const MINUTE = 60_000
/** Figures are those of so many milliseconds: what a button does is seen in them at once. */
const RECENT = 10_000
const REDRAW_MS = 100
const ROWS = 12
const NOTES = 6
const SOURCES = ['redis', 'memory', 'handler', 'collapsed', 'none']
const NAMES = { redis: 'Redis', memory: 'memory', handler: 'handler', collapsed: 'waited', none: 'not cached' }

const byId = (id) => document.getElementById(id)
const seconds = (at) => new Date(at).toTimeString().slice(0, 8)

/** Requests of the last minute, oldest first; how Redis and the breakers were, and since when. */
let requests = []
let states = []
let notes = []
let write
let looking = false
let hadOutage = false

const events = new EventSource('/demo/events')
events.addEventListener('message', ({ data }) => {
  const update = JSON.parse(data)
  const now = Date.now()
  requests = [...requests, ...update.requests].filter((request) => request.at > now - MINUTE)
  notes = [...notes, ...update.notes].slice(-NOTES)
  states = [...states, ...update.history]
  hadOutage ||= states.some(({ redis }) => redis === 'down' || redis === 'frozen')
  states = states.filter((_, i) => i === states.length - 1 || states[i + 1].at > now - MINUTE)
  write = update.write ?? write
  if (update.notes.length > 0) showNotes()
  if (update.requests.length > 0 && !looking) showRequests()
  showState(update.state)
  showApps(update.state)
  showFigures()
})
events.addEventListener('open', () => {
  requests = []
  states = []
  notes = []
})
events.addEventListener('error', () => say('The demo has ended.', 'Start it again: npm start'))

for (const button of document.querySelectorAll('[data-do]'))
  button.addEventListener('click', () => act(button.dataset.do))

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
  const button = [...document.querySelectorAll('[data-do]')].find(
    (each) => each.querySelector('kbd').textContent === event.key,
  )
  if (button && !button.disabled) act(button.dataset.do)
})

byId('requests').addEventListener('pointerenter', ({ pointerType }) => look(pointerType === 'mouse'))
byId('requests').addEventListener('pointerleave', () => look(false))
byId('curl').textContent = `curl -i '${location.origin}/cities?q=lisbn'`

draw()

function act(action) {
  fetch(`/demo/do/${action}`, { method: 'POST', headers: { 'X-Demo': '1' } }).catch(() => {})
}

function look(value) {
  looking = value
  byId('paused').hidden = !value
}

function draw() {
  drawTimeline(byId('timeline'), requests, states, Date.now(), MINUTE)
  setTimeout(requestAnimationFrame, REDRAW_MS, draw)
}

function showState(state) {
  const { redis, load } = state
  const kinds = { up: 'good', external: 'good', frozen: 'warn', down: 'bad', none: '' }
  byId('redis').className = `lamp ${kinds[redis]}`
  byId('redis').querySelector('b').textContent = { none: 'none', external: 'up' }[redis] ?? redis
  const freeze = byId('freeze')
  freeze.dataset.do = redis === 'frozen' ? 'resume' : 'freeze'
  freeze.firstChild.data = redis === 'frozen' ? 'Resume Redis ' : 'Freeze Redis '
  byId('load').firstChild.data = load ? 'Load off ' : 'Load on '
  const ours = redis !== 'none' && redis !== 'external'
  const isOut = redis === 'down' || redis === 'frozen'
  for (const button of document.querySelectorAll('[data-do]')) {
    const action = button.dataset.do
    const usable = { kill: redis !== 'down', freeze: redis !== 'down', resume: true, restart: isOut }[action]
    if (usable !== undefined) button.disabled = !ours || !usable
    const next = ours && !hadOutage ? 'kill' : isOut && write?.durable !== false ? 'write' : isOut ? 'restart' : 'write'
    button.classList.toggle(
      'next',
      action === next || (action === 'resume' && next === 'restart' && redis === 'frozen'),
    )
  }
  const since =
    states.findLast(({ redis: last }, i) => last === redis && states[i - 1]?.redis !== redis)?.at ?? Date.now()
  const sinceThen = requests.filter(({ at }) => at >= since)
  const failed = sinceThen.filter(({ status }) => status >= 400).length
  say(...story(state, write, { since: Date.now() - since, answers: sinceThen.length, failed }, hadOutage))
}

function say(title, text) {
  const [bold, rest] = byId('story').children
  if (bold.textContent !== title) bold.textContent = title
  if (rest.textContent !== text) rest.textContent = text
}

function showApps({ apps, redis }) {
  const cutoff = Date.now() - RECENT
  byId('apps').replaceChildren(
    ...apps.map(({ name: app, breaker, connected }) => {
      const item = element('li', '')
      const isOut = redis !== 'none' && (!connected || breaker !== 'closed')
      item.className = isOut ? 'out' : ''
      const recent = requests.filter((request) => request.app === app && request.at > cutoff)
      const how = redis === 'none' ? 'its own memory' : isOut ? 'memory alone' : 'Redis and memory'
      const title = element('h3', name(app))
      title.append(element('small', how))
      item.append(title, bar(recent), ...record(app))
      return item
    }),
  )
}

/** The shares of the sources, as a bar. */
function bar(recent) {
  const made = element('div', '')
  made.className = 'bar'
  for (const source of SOURCES) {
    const count = recent.filter((request) => request.source === source).length
    if (count === 0) continue
    const part = element('i', '')
    part.className = source
    part.style.flexGrow = String(count)
    part.title = `${NAMES[source]}: ${count} of ${recent.length} in ten seconds`
    made.append(part)
  }
  return made
}

/** What this process reads of the last record that was written. */
function record(app) {
  const read = write?.reads.find((each) => each.app === app)
  if (read === undefined) return []
  const isNew = read.now === write.written
  const line = element('p', `${write.city} `)
  const number = element('b', read.now.toLocaleString('en'))
  number.className = isNew ? 'new' : 'old'
  line.append(number, element('small', app === write.through ? 'wrote it' : isNew ? 'new' : 'old'))
  return [line]
}

function showFigures() {
  const cutoff = Date.now() - RECENT
  const reads = requests.filter((request) => request.method === 'GET' && request.at > cutoff)
  const share = (source) => {
    const count = reads.filter((request) => request.source === source).length
    return reads.length === 0 ? '–' : `${Math.round((100 * count) / reads.length)} %`
  }
  const times = reads.map((request) => request.ms).sort((a, b) => a - b)
  const quantile = (q) =>
    times.length === 0 ? '–' : `${duration(times[Math.min(times.length - 1, Math.floor(q * times.length))])} ms`
  const failed = requests.filter((request) => request.status >= 400).length
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
          [name(request.app)],
          [`${request.method} ${shown(request.url)}`, '', request.cacheStatus],
          [NAMES[request.source], `source ${request.source}`],
          [request.computedBy === undefined ? '–' : name(request.computedBy), 'quiet'],
          [duration(request.ms), 'number'],
          [String(request.status), request.status >= 400 ? 'number failed' : 'number quiet'],
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

/** As it was typed, if it can be read so. */
function shown(url) {
  try {
    return decodeURI(url)
  } catch {
    return url
  }
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

function element(tag, text) {
  const made = document.createElement(tag)
  made.textContent = text
  return made
}

function duration(ms) {
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms))
}
