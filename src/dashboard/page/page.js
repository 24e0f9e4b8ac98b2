import { html, nothing, render, svg } from 'lit-html'
import { defineChart } from './chart.js'
import { bytes, count, duration, percent, rate, span, time } from './format.js'
import { intervals, kept, recent, routesOf, SOURCES, spans, totalsOf, WORDS } from './model.js'

/**
 * @typedef {import('./model.js').Process} Process
 * @typedef {import('./model.js').Interval} Interval
 * @typedef {{ at: number, self: string, environment: string, readOnly: boolean, mode: string, sampleEvery: number, processes: Process[], others: { areShared: boolean, areRead: boolean, unreadable: number, isFull: boolean }, reasons?: Record<string, string> | undefined }} Overview
 * @typedef {{ at: number, name: string, text: string }} Told
 */

const VIEWS = /** @type {const} */ ({
  overview: 'Overview',
  shadow: 'Shadow',
  verify: 'Verify',
  processes: 'Processes',
  routes: 'Routes',
  refusals: 'Not cached',
  entries: 'Entries',
  invalidate: 'Invalidate',
  live: 'Live',
})

/** @typedef {keyof typeof VIEWS} ViewName */

/** How often the server is asked, in ms. */
const ASK_EVERY = 2000

const state = {
  /** @type {Overview | undefined} */
  overview: undefined,
  /** The samples of each process that have been received. @type {Map<string, Process['samples']>} */
  samples: new Map(),
  /** @type {string} */
  error: '',
  /** The process that is shown; `all` for all of them. */
  shown: 'all',
  /** @type {ViewName} */
  view: 'overview',
  isPaused: false,
  sortBy: 'requests',
  /** @type {Told[]} */
  told: [],
  left: 0,
  /** @type {{ text: string, isError: boolean, confirmedBy?: readonly string[] | undefined } | undefined} */
  receipt: undefined,
  isWorking: false,
}

/** @type {EventSource | undefined} */
let source

/** The views of the modes `shadow` and `verify`, which few pages show. @type {typeof import('./shadow.js') | undefined} */
let modes

/** The view of the entries, once it was opened. @type {typeof import('./entries.js') | undefined} */
let entries

const root = document.createElement('div')

function draw() {
  render(pageTemplate(), root)
}

function pageTemplate() {
  const { overview, error } = state
  if (overview === undefined) {
    return html`<p class="wait" role="status">${error === '' ? 'Asking the process for its statistics …' : error}</p>`
  }
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    ${headerTemplate(overview)}
    ${error === '' ? nothing : html`<p class="alert" role="alert">${error} The numbers below are the last that arrived.</p>`}
    <main id="main" tabindex="-1">${viewTemplate(overview)}</main>
    <footer>
      <span>Samples every ${overview.sampleEvery / 1000} s, the last 15 minutes. Totals since each process started.</span>
      <button type="button" aria-pressed=${state.isPaused} @click=${togglePause}>${state.isPaused ? 'Continue' : 'Pause'}</button>
    </footer>`
}

/** @param {Overview} overview */
function headerTemplate({ environment, processes, mode }) {
  const views = Object.entries(VIEWS).filter(([name]) => !isOfMode(name) || name === mode)
  const isProduction = /^prod/i.test(environment)
  return html`<header>
    <h1><img src="icon.svg" alt="" width="28" height="28">fallback-cache</h1>
    <span class="badge ${isProduction ? 'production' : ''}">${environment}</span>
    ${conditionTemplate(processes)}
    <label class="choice">Process
      <select @change=${chooseProcess} .value=${state.shown}>
        <option value="all">all (${processes.length})</option>
        ${processes.map(({ id, host, pid }) => html`<option value=${id} .selected=${state.shown === id}>${host}:${pid}</option>`)}
      </select>
    </label>
    <nav aria-label="Views">
      ${views.map(
        ([name, label]) => html`<a href="#${name}" aria-current=${state.view === name ? 'page' : nothing}>${label}</a>`,
      )}
    </nav>
  </header>`
}

/** Whether Redis answers, in words and not by colour alone. @param {readonly Process[]} processes */
function conditionTemplate(processes) {
  const lost = processes.filter(({ stats }) => stats.backend === 'redis' && !stats.connected)
  const refusing = processes.find(({ stats }) => stats.connected && stats.redisError !== undefined)
  const [first] = processes
  if (first?.stats.backend === 'memory') return html`<span class="state calm">memory only, no Redis</span>`
  if (lost.length > 0) {
    const of = processes.length > 1 ? ` in ${lost.length} of ${processes.length} processes` : ''
    return html`<span class="state bad" role="status">outage${of}: memory answers${why(lost[0])}</span>`
  }
  if (refusing) return html`<span class="state warn" role="status">Redis refuses commands${why(refusing)}</span>`
  return html`<span class="state good" role="status">Redis connected</span>`
}

/** @param {Process | undefined} process */
function why(process) {
  return process?.stats.redisError === undefined ? '' : ` (${process.stats.redisError})`
}

/** @param {Overview} overview */
function viewTemplate(overview) {
  const shown = shownProcesses(overview)
  if (isOfMode(state.view)) return modes?.modeTemplate(state.view) ?? nothing
  if (state.view === 'processes') return processesTemplate(overview)
  if (state.view === 'routes') return routesTemplate(shown)
  if (state.view === 'entries') return entries?.entriesTemplate() ?? nothing
  if (state.view === 'refusals') return refusalsTemplate(shown, overview.reasons ?? {})
  if (state.view === 'invalidate') return invalidateTemplate(overview)
  if (state.view === 'live') return liveTemplate()
  return overviewTemplate(shown, overview)
}

/** @param {Overview} overview */
function shownProcesses({ processes }) {
  return state.shown === 'all' ? processes : processes.filter(({ id }) => id === state.shown)
}

/** The processes, each in a row. @param {Overview} overview */
function processesTemplate({ processes, others, self, sampleEvery }) {
  return html`<section class="panel">
    <h2>Processes</h2>
    <p class="hint">Hit ratio and requests of the last 5 minutes, the others as they are now.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Processes"><table>
      <thead><tr><th scope="col">Process</th>${['Since', 'Requests/s', 'Hit ratio', 'Entries', 'Memory', 'Waiting', 'Outages', 'Heard'].map((name) => html`<th scope="col" class="number">${name}</th>`)}<th scope="col">Redis</th></tr></thead>
      <tbody>${processes.map((one) => processRow(one, one.id === self, sampleEvery))}</tbody>
    </table></div>
    ${othersTemplate(others)}
  </section>`
}

/** @param {Process} process @param {boolean} isSelf @param {number} sampleEvery */
function processRow({ id, host, pid, startedAt, stats, age }, isSelf, sampleEvery) {
  const { hitRatio, perSecond } = recent(intervals([state.samples.get(id) ?? []], sampleEvery), Date.now() - 300_000)
  const redis = stats.backend === 'memory' ? 'none' : stats.connected ? (stats.redisError ?? 'connected') : 'outage'
  return html`<tr>
    <th scope="row"><button type="button" class="sort" aria-pressed=${state.shown === id} @click=${() => showProcess(id)}>${host}:${pid}</button>${isSelf ? html` <i>answers this page</i>` : nothing}</th>
    <td class="number">${span((Date.now() - startedAt) / 1000)}</td><td class="number">${rate(perSecond)}</td><td class="number">${percent(hitRatio)}</td>
    <td class="number">${count(stats.entries)}</td><td class="number">${bytes(stats.memoryBytes)}</td><td class="number">${count(stats.waiting)}</td>
    <td class="number">${count(stats.counters.outages)}</td><td class="number">${age < 8 ? 'now' : `${span(age)} ago`}</td><td class="words">${redis}</td>
  </tr>`
}

/** Why there may be more processes than are shown. @param {Overview['others']} others */
function othersTemplate({ areShared, areRead, unreadable, isFull }) {
  if (!areShared)
    return html`<p class="hint">Only the process that answers this page: without Redis, processes do not know of one another.</p>`
  if (!areRead)
    return html`<p class="hint">Only the process that answers this page: the others are read from Redis, which cannot be used.</p>`
  const more = [
    'A process appears some seconds after this page is opened, if it has called dashboard().',
    ...(unreadable > 0 ? [`${count(unreadable)} more run another version of the package.`] : []),
    ...(isFull ? ['There may be more: as many as are kept are shown.'] : []),
  ]
  return html`<p class="hint">${more.join(' ')}</p>`
}

/** @param {string} id */
function showProcess(id) {
  state.shown = state.shown === id ? 'all' : id
  draw()
}

/** @param {readonly Process[]} shown @param {Overview} overview */
function overviewTemplate(shown, { sampleEvery, others }) {
  const all = intervals(
    shown.map(({ id }) => state.samples.get(id) ?? []),
    sampleEvery,
  )
  const totals = totalsOf(shown)
  const now = recent(all, Date.now() - 300_000)
  const outages = spans(all, ({ connected }) => !connected)
  const open = spans(all, ({ circuit }) => circuit !== 'closed')
  const shades = outages.map((one) => ({ ...one, colour: 'outage' }))
  const times = all.map(({ at }) => at)
  const moments = shown.flatMap((one) => one.moments).sort((one, other) => other.at - one.at)
  return html`
    ${others.areShared && !others.areRead ? othersTemplate(others) : nothing}
    <section class="tiles" aria-label="Key figures">
      ${tile('Hit ratio', percent(now.hitRatio), `5 minutes; ${percent(totals.hitRatio)} since the start`)}
      ${tile('Requests', `${rate(now.perSecond)}/s`, `${count(SOURCES.reduce((sum, one) => sum + totals.counts[one], 0))} since the start`)}
      ${tile('Handler time saved', span(totals.saved), `${duration(now.savedPerSecond)} in each second`)}
      ${tile('Memory', bytes(totals.memoryBytes), `${count(totals.entries)} entries, at most ${bytes(totals.maxBytes)}`)}
      ${tile('Waiting', count(sum(shown, ({ stats }) => stats.waiting)), `${count(sum(shown, ({ stats }) => stats.pendingInvalidations))} invalidations, ${count(sum(shown, ({ stats }) => stats.pendingWrites))} writes for Redis`)}
      ${tile('Outages', count(Math.max(0, ...shown.map(({ stats }) => stats.counters.outages))), `hits from memory in them: ${count(sum(shown, ({ stats }) => stats.counters.servedWhileDisconnected))}`)}
    </section>
    <section class="charts">
      ${chart('Where answers come from', 'requests per second', {
        times,
        lines: SOURCES.map((one) => ({
          label: WORDS[one].label,
          colour: one,
          values: all.map(({ perSecond }) => perSecond[one]),
          isArea: true,
        })),
        format: rate,
        shades,
      })}
      ${chart('Hit ratio', 'share of the requests that the cache handles', {
        times,
        lines: [{ label: 'Hit ratio', colour: 'memory', values: all.map(({ hitRatio }) => hitRatio) }],
        format: (value) => `${Number((value * 100).toFixed(1))} %`,
        most: 1,
        shades,
      })}
      ${chart('Handler time saved', 'seconds of handler time in each second', {
        times,
        lines: [
          { label: 'Saved', colour: 'redis', values: all.map(({ savedPerSecond }) => savedPerSecond), isArea: true },
        ],
        format: (value) => `${rate(value)} s`,
        shades,
      })}
      ${chart('Latency by source', 'p99 dashed; handlers until the response begins; logarithmic', {
        times,
        lines: [
          { label: 'Redis p50', colour: 'redis', values: all.map(({ redisP50 }) => redisP50) },
          { label: 'Redis p99', colour: 'redis', values: all.map(({ redisP99 }) => redisP99), isDashed: true },
          { label: 'Handler p50', colour: 'miss', values: all.map(({ p50 }) => p50) },
          { label: 'Handler p99', colour: 'miss', values: all.map(({ p99 }) => p99), isDashed: true },
        ],
        format: duration,
        isLog: true,
        shades,
      })}
    </section>
    <section class="panel">
      <h2>Redis over time</h2>
      ${strip('Connection', all, outages, 'bad')}
      ${strip('Circuit breaker', all, open, 'warn')}
      <p class="hint">${outages.length === 0 ? 'No outage in the last 15 minutes.' : html`Outages: ${outages.map(({ from, to }) => `${time(from)} to ${time(to)}`).join(', ')}.`}</p>
      ${
        moments.length === 0
          ? nothing
          : html`<details><summary>What happened (${moments.length})</summary>
            <ol class="moments">${moments.slice(0, 50).map(({ at, kind, text }) => html`<li><time>${time(at)}</time> <b>${kind}</b> ${text}</li>`)}</ol>
          </details>`
      }
    </section>
    ${routeTables(shown)}`
}

/** @param {string} name @param {string} value @param {string} more */
function tile(name, value, more) {
  return html`<div class="tile"><h2>${name}</h2><p class="value">${value}</p><p class="hint">${more}</p></div>`
}

/** @param {readonly Process[]} processes @param {(process: Process) => number} read */
function sum(processes, read) {
  return processes.reduce((total, one) => total + read(one), 0)
}

/**
 * A chart, its legend, and its numbers as a table for those who do not see it.
 *
 * @param {string} name
 * @param {string} unit
 * @param {import('./chart.js').ChartView} view
 */
function chart(name, unit, view) {
  const last = view.times.length - 1
  const said = view.lines.map(({ label, values }) => `${label} ${textOf(view, values[last])}`).join(', ')
  return html`<figure class="panel">
    <figcaption><h2>${name}</h2><span class="hint">${unit}</span></figcaption>
    ${
      view.lines.length > 1
        ? html`<ul class="legend">${view.lines.map(({ label, colour }) => html`<li><svg class="dot ${colour}" viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="5"/></svg>${label}</li>`)}</ul>`
        : nothing
    }
    <cache-chart role="img" aria-label="${name}, ${unit}. Now: ${said}" .view=${view}></cache-chart>
    <details><summary>Numbers</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="${name}, numbers">
        <table>
          <thead><tr><th scope="col">Time</th>${view.lines.map(({ label }) => html`<th scope="col" class="number">${label}</th>`)}</tr></thead>
          <tbody>${view.times
            .map((at, index) => ({ at, index }))
            .slice(-15)
            .reverse()
            .map(
              ({ at, index }) =>
                html`<tr><th scope="row">${time(at)}</th>${view.lines.map(({ values }) => html`<td class="number">${textOf(view, values[index])}</td>`)}</tr>`,
            )}</tbody>
        </table>
      </div>
    </details>
  </figure>`
}

/** @param {import('./chart.js').ChartView} view @param {number | null | undefined} value */
function textOf({ format }, value) {
  return value === null || value === undefined ? '–' : format(value)
}

/**
 * When a state held, as a strip.
 *
 * @param {string} name
 * @param {readonly Interval[]} all
 * @param {readonly { from: number, to: number }[]} held
 * @param {string} colour
 */
function strip(name, all, held, colour) {
  const from = all[0]?.at ?? 0
  const length = Math.max(1, (all.at(-1)?.at ?? 0) - from)
  const place = (/** @type {number} */ at) => Math.max(0, Math.min(1000, ((at - from) / length) * 1000))
  return html`<div class="strip"><span>${name}</span>
    <svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label="${name}: ${held.length === 0 ? 'no interruption' : `${held.length} interruptions`}">
      <rect class="good" width="1000" height="10"/>
      ${held.map((one) => svg`<rect class=${colour} x=${place(one.from)} width=${Math.max(3, place(one.to) - place(one.from))} height="10"/>`)}
    </svg></div>`
}

/** @typedef {ReturnType<typeof routesOf>[number]} Route */

/** The routes with the most requests and those with the slowest handlers. @param {readonly Process[]} shown */
function routeTables(shown) {
  const routes = routesOf(shown)
  const hottest = [...routes].sort((one, other) => other.requests - one.requests).slice(0, 6)
  const slowest = routes
    .filter(({ p99 }) => p99 !== null)
    .sort((one, other) => (other.p99 ?? 0) - (one.p99 ?? 0))
    .slice(0, 6)
  return html`<div class="charts">
    ${routeTable('Most requested routes', hottest)}
    ${routeTable('Slowest handlers', slowest)}
  </div>`
}

/** @param {string} name @param {readonly Route[]} routes */
function routeTable(name, routes) {
  return html`<section class="panel">
    <h2>${name}</h2>
    ${
      routes.length === 0
        ? html`<p class="hint">No requests yet.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label=${name}><table>
          <thead><tr><th scope="col">Route</th><th scope="col" class="number">Requests</th><th scope="col" class="number">Hit ratio</th><th scope="col" class="number">p50</th><th scope="col" class="number">p99</th><th scope="col" class="number">Saved</th></tr></thead>
          <tbody>${routes.map(routeRow)}</tbody>
        </table></div>`
    }
  </section>`
}

/** @param {Route} route */
function routeRow({ route, requests, hitRatio, p50, p99, saved }) {
  return html`<tr>
    <th scope="row">${nameOf(route)}</th><td class="number">${count(requests)}</td><td class="number">${percent(hitRatio)}</td>
    <td class="number">${duration(p50)}</td><td class="number">${duration(p99)}</td><td class="number">${span(saved)}</td>
  </tr>`
}

/** @param {string} route */
function nameOf(route) {
  return route === '' ? html`<i>unknown route, and values</i>` : html`<code>${route}</code>`
}

const COLUMNS = /** @type {const} */ ({
  requests: 'Requests',
  hitRatio: 'Hit ratio',
  p50: 'Handler p50',
  p99: 'Handler p99',
  saved: 'Time saved',
})

/** @param {readonly Process[]} shown */
function routesTemplate(shown) {
  const key = /** @type {keyof typeof COLUMNS} */ (state.sortBy)
  const routes = routesOf(shown).sort((one, other) => (other[key] ?? -1) - (one[key] ?? -1))
  return html`<section class="panel">
    <h2>Routes</h2>
    <p class="hint">By pattern, since each process started. The bar shows where the answers came from.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Routes"><table>
      <thead><tr>
        <th scope="col">Route</th><th scope="col">Answers</th>
        ${Object.entries(COLUMNS).map(
          ([
            name,
            label,
          ]) => html`<th scope="col" class="number" aria-sort=${state.sortBy === name ? 'descending' : nothing}>
            <button type="button" class="sort" @click=${() => sortBy(name)}>${label}${state.sortBy === name ? ' ↓' : ''}</button></th>`,
        )}
      </tr></thead>
      <tbody>${routes.map(
        (route) => html`<tr>
        <th scope="row">${nameOf(route.route)}</th><td>${shareBar(route)}</td>
        <td class="number">${count(route.requests)}</td><td class="number">${percent(route.hitRatio)}</td>
        <td class="number">${duration(route.p50)}</td><td class="number">${duration(route.p99)}</td><td class="number">${span(route.saved)}</td>
      </tr>`,
      )}</tbody>
    </table></div>
    ${legend()}
  </section>`
}

function legend() {
  return html`<ul class="legend">${SOURCES.map((one) => html`<li title=${WORDS[one].meaning}><svg class="dot ${one}" viewBox="0 0 10 10" aria-hidden="true"><circle cx="5" cy="5" r="5"/></svg>${WORDS[one].label}</li>`)}</ul>`
}

/** The shares of the sources as a bar. @param {Route} route */
function shareBar({ counts, requests }) {
  const shares = SOURCES.map((one) => ({ one, share: (counts[one] / Math.max(1, requests)) * 100 }))
  const label = shares
    .filter(({ share }) => share > 0)
    .map(({ one, share }) => `${WORDS[one].label} ${percent(share / 100)}`)
  let at = 0
  return html`<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label=${label.join(', ')}>
    ${shares.map(({ one, share }) => {
      at += share
      return svg`<rect class=${one} x=${at - share} width=${share} height="8"/>`
    })}
  </svg>`
}

/** @param {readonly Process[]} shown @param {Record<string, string>} meanings */
function refusalsTemplate(shown, meanings) {
  const rows = routesOf(shown)
    .flatMap(({ route, refused }) => Object.entries(refused).map(([reason, times]) => ({ route, reason, times })))
    .sort((one, other) => other.times - one.times)
  return html`<section class="panel">
    <h2>Why responses were not cached</h2>
    <p class="hint">Requests that bypassed the cache and responses that were not stored, by route and reason, since each process started.</p>
    ${
      rows.length === 0
        ? html`<p>Nothing was refused.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="Refusals"><table>
          <thead><tr><th scope="col">Route</th><th scope="col">Reason</th><th scope="col" class="number">Times</th><th scope="col">Meaning</th></tr></thead>
          <tbody>${rows.map(
            ({ route, reason, times }) => html`<tr>
            <th scope="row">${nameOf(route)}</th><td><code>${reason}</code></td><td class="number">${count(times)}</td><td class="words">${Object.hasOwn(meanings, reason) ? meanings[reason] : 'A reason of the application: skip().'}</td>
          </tr>`,
          )}</tbody>
        </table></div>`
    }
  </section>`
}

/** @param {Overview} overview */
function invalidateTemplate({ readOnly, processes }) {
  if (readOnly) {
    return html`<section class="panel"><h2>Invalidate</h2>
      <p>This dashboard only shows. To invalidate from here, the application passes <code>dashboard({ readOnly: false })</code>.</p></section>`
  }
  return html`<section class="panel">
    <h2>Invalidate</h2>
    <p class="hint">In every process, at once. A path takes its queries, its variants and all paths below it along.</p>
    <form @submit=${invalidate}>
      <label>What <select name="kind"><option value="path">path</option><option value="tag">tag</option><option value="prefix">key prefix</option><option value="all">everything</option></select></label>
      <label class="grow">Value <input name="value" autocomplete="off" spellcheck="false" placeholder="/products/42"></label>
      <label class="check"><input type="checkbox" name="soft"> Soft: send the old pages while they are made again</label>
      <button type="submit" name="act" value="count" class="quiet" ?disabled=${state.isWorking}>Count</button>
      <button type="submit" name="act" value="invalidate" ?disabled=${state.isWorking}>Invalidate</button>
    </form>
    <p role="status" class=${state.receipt?.isError ? 'alert' : 'receipt'} ?hidden=${state.receipt === undefined}>${state.receipt?.text ?? ''}</p>
    ${state.receipt?.confirmedBy === undefined ? nothing : confirmationsTemplate(state.receipt.confirmedBy, processes)}
  </section>`
}

/** Which processes have applied an invalidation. @param {readonly string[]} confirmedBy @param {readonly Process[]} processes */
function confirmationsTemplate(confirmedBy, processes) {
  const silent = processes.filter(({ id }) => !confirmedBy.includes(id))
  return html`<h3>Confirmed by</h3><ul class="moments" aria-label="Processes that have applied it">
    ${confirmedBy.map((id) => html`<li><b>✓ ${processes.find((one) => one.id === id)?.host ?? id.split('/')[0]}:${id.split('/').at(-2)}</b> has applied it</li>`)}
    ${silent.map(({ host, pid }) => html`<li>${host}:${pid} did not answer within a second and a half; it applies it before its next answer from Redis</li>`)}
  </ul>`
}

function liveTemplate() {
  return html`<section class="panel">
    <h2>Live</h2>
    <p class="hint">Events of this process, newest first; at most 100 in each second.${state.left > 0 ? ` ${count(state.left)} more were not shown.` : ''}</p>
    ${state.told.length === 0 ? html`<p>Waiting for the first event.</p>` : nothing}
    <ol class="moments" aria-label="Events">${state.told.map(({ at, name, text }) => html`<li><time>${time(at)}</time> <b>${name}</b> ${text}</li>`)}</ol>
  </section>`
}

/** @param {Event} event */
function chooseProcess({ target }) {
  state.shown = /** @type {HTMLSelectElement} */ (target).value
  draw()
}

/** @param {string} name */
function sortBy(name) {
  state.sortBy = name
  draw()
}

function togglePause() {
  state.isPaused = !state.isPaused
  followEvents()
  draw()
}

/** @param {SubmitEvent} event */
async function invalidate(event) {
  event.preventDefault()
  const form = new FormData(/** @type {HTMLFormElement} */ (event.target), event.submitter)
  const dryRun = form.get('act') === 'count'
  const order = { kind: String(form.get('kind')), value: String(form.get('value')), soft: form.has('soft'), dryRun }
  if (order.kind === 'all' && !dryRun && !confirm('Invalidate everything?')) return
  state.isWorking = true
  state.receipt = undefined
  draw()
  try {
    const reply = await fetch('api/invalidate', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-fallback-cache': 'dashboard' },
      body: JSON.stringify(order),
    })
    const told = await reply.json()
    state.receipt = {
      text: reply.ok ? receiptOf(order, told) : told.error,
      isError: !reply.ok,
      confirmedBy: told.confirmedBy,
    }
  } catch (error) {
    state.receipt = { text: `The process did not answer: ${error}`, isError: true }
  }
  state.isWorking = false
  draw()
}

/**
 * What an invalidation has done, in words.
 *
 * @param {{ kind: string, value: string, soft: boolean }} order
 * @param {import('../../index.js').Invalidation & { milliseconds: number }} told
 */
function receiptOf({ kind, value, soft }, { durable, at, position, counted, milliseconds }) {
  const what = kind === 'all' ? 'everything' : `${kind} ${value}`
  if (counted !== undefined) {
    const least = counted.isComplete ? '' : 'at least '
    const sample = counted.sample.length === 0 ? '' : `\nsuch as ${counted.sample.slice(0, 5).join('\n        ')}`
    return `${what} covers ${least}${count(counted.memory)} entries in the memory of this process and ${least}${count(counted.redis)} in Redis. Nothing was invalidated.${sample}`
  }
  const done = soft ? 'made stale' : 'invalidated'
  const where = durable
    ? `${done} in every process`
    : `${done} here; the other processes are told when Redis can be used again`
  return `${what}: ${where}, ${time(at)}, ${milliseconds} ms${position === undefined ? '' : `, position ${position}`}`
}

function followEvents() {
  const isWanted = state.view === 'live' && !state.isPaused
  if (!isWanted) {
    source?.close()
    source = undefined
  } else if (source === undefined) {
    source = new EventSource('api/events')
    source.addEventListener('message', ({ data }) => {
      const { events, left } = JSON.parse(data)
      if (events.length === 0 && left === 0) return
      state.told = [...events.reverse(), ...state.told].slice(0, 200)
      state.left += left
      draw()
    })
  }
}

function readAddress() {
  const name = location.hash.slice(1)
  if (name === 'main') return
  state.view = Object.hasOwn(VIEWS, name) ? /** @type {ViewName} */ (name) : 'overview'
  followEvents()
  if (state.view === 'entries') void openEntries()
  void askMode().then(draw)
  draw()
}

/** @param {string} view @returns {view is 'shadow' | 'verify'} */
function isOfMode(view) {
  return view === 'shadow' || view === 'verify'
}

async function openEntries() {
  entries ??= await import('./entries.js')
  entries.openEntries(draw, { html, nothing })
}

async function askMode() {
  if (!isOfMode(state.view)) return
  modes ??= await import('./shadow.js')
  await modes.askMode(state.view, { html, nothing })
}

async function ask() {
  if (!state.isPaused && document.visibilityState === 'visible') {
    try {
      const newest = Math.min(...Array.from(state.samples.values(), (samples) => samples.at(-1)?.at ?? 0))
      const reply = await fetch(`api/overview?after=${Number.isFinite(newest) ? newest : 0}`)
      if (!reply.ok) throw new Error((await reply.json()).error)
      receive(await reply.json())
      await askMode()
      state.error = ''
    } catch (error) {
      state.error = `The process does not answer (${error instanceof Error ? error.message : error}).`
    }
    draw()
  }
  setTimeout(ask, ASK_EVERY)
}

/** @param {Overview} overview */
function receive(overview) {
  state.samples = kept(state.samples, overview.processes, overview.at - 900_000, overview.at + 10_000)
  if (state.shown !== 'all' && !overview.processes.some(({ id }) => id === state.shown)) state.shown = 'all'
  state.overview = { ...overview, reasons: overview.reasons ?? state.overview?.reasons }
}

defineChart()
document.getElementById('root')?.replaceWith(root)
addEventListener('hashchange', readAddress)
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
readAddress()
void ask()
