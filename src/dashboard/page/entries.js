import { bytes, count, span, time } from './format.js'

/**
 * @typedef {import('../../inspect/index.js').EntrySummary} EntrySummary
 * @typedef {import('../../inspect/index.js').EntryPage} EntryPage
 * @typedef {import('../entries.js').ShownEntry} ShownEntry
 */

const STATES = /** @type {Record<EntrySummary['state'], string>} */ ({
  fresh: 'fresh',
  stale: 'stale',
  softened: 'stale: invalidated softly',
  invalidated: 'invalidated',
  expired: 'expired',
  'other-life': 'from before Redis lost its data',
  none: '–',
})

const state = {
  prefix: '',
  /** @type {'' | 'memory' | 'redis'} */
  tier: '',
  /** @type {EntryPage | undefined} */
  page: undefined,
  /** @type {readonly EntrySummary[]} */
  largest: [],
  /** The entry that is shown, in each tier that has it. @type {{ key: string, tiers: readonly ShownEntry[] } | undefined} */
  shown: undefined,
  error: '',
  isWorking: false,
}

/**
 * Those of the page, which has them already: this file is loaded when its view is opened.
 *
 * @typedef {Pick<typeof import('lit-html'), 'html' | 'nothing'>} Lit
 */
let { html, nothing } = /** @type {Lit} */ ({})

/** Draws the page again. */
let draw = () => {}

/** Looks when the view is opened. @param {() => void} redraw @param {Lit} ofPage */
export function openEntries(redraw, ofPage) {
  draw = redraw
  ;({ html, nothing } = ofPage)
  if (state.page === undefined && !state.isWorking) void list()
}

/** The entries, the largest of them, and one with its fields. */
export function entriesTemplate() {
  return html`
    ${state.shown === undefined ? nothing : shownTemplate(state.shown)}
    <section class="panel">
      <h2>Entries</h2>
      <form @submit=${search}>
        <label class="grow">Key begins with <input name="prefix" autocomplete="off" spellcheck="false" .value=${state.prefix}></label>
        <label>Where <select name="tier"><option value="">Redis, or memory without it</option><option value="memory">memory of this process</option></select></label>
        <button type="submit" ?disabled=${state.isWorking}>Look</button>
      </form>
      ${state.error === '' ? nothing : html`<p class="alert" role="alert">${state.error}</p>`}
      ${state.page === undefined ? nothing : pageTemplate(state.page)}
    </section>
    <section class="panel">
      <h2>Largest</h2>
      <p class="hint">In the memory of the process that answers this page.</p>
      ${tableTemplate('Largest entries', state.largest)}
    </section>`
}

/** @param {EntryPage} page */
function pageTemplate({ entries, cursor, examined }) {
  return html`
    ${tableTemplate('Entries found', entries)}
    <p class="hint">${count(examined)} keys were looked at${cursor === undefined ? ', all there are.' : '.'}</p>
    ${cursor === undefined ? nothing : html`<button type="button" ?disabled=${state.isWorking} @click=${() => list(cursor)}>Next</button>`}`
}

/** @param {string} name @param {readonly EntrySummary[]} entries */
function tableTemplate(name, entries) {
  if (entries.length === 0) return html`<p>None.</p>`
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${name}><table>
    <thead><tr><th scope="col">Key</th><th scope="col">What</th><th scope="col">State</th><th scope="col" class="number">Size</th><th scope="col" class="number">Age</th><th scope="col">Tags</th></tr></thead>
    <tbody>${entries.map(
      (entry) => html`<tr>
      <th scope="row"><button type="button" class="sort" @click=${() => show(entry.key)}><code>${entry.key}</code></button></th>
      <td>${kindOf(entry)}</td><td>${STATES[entry.state]}</td>
      <td class="number">${bytes(entry.bytes)}</td><td class="number">${ageOf(entry)}</td><td class="words">${entry.tags.slice(0, 5).join(', ')}${entry.tags.length > 5 ? ' …' : ''}</td>
    </tr>`,
    )}</tbody>
  </table></div>`
}

/** @param {{ key: string, tiers: readonly ShownEntry[] }} shown */
function shownTemplate({ key, tiers }) {
  return html`<section class="panel" id="entry" tabindex="-1" aria-label="One entry">
    <h2>Entry</h2><p><code>${key}</code></p>
    ${tiers.length === 0 ? html`<p>It is not there any more.</p>` : tiers.map(entryTemplate)}
    <button type="button" @click=${close}>Close</button>
  </section>`
}

/** @param {ShownEntry} entry */
function entryTemplate(entry) {
  const { tier, kind, status, route, tags, response, variants, cost, staleAt, deleteAt } = entry
  const left = (staleAt - Date.now()) / 1000
  const rows = [
    ['What', `${kind}${status === undefined ? '' : ` ${status}`}, ${bytes(entry.bytes)}`],
    ['State', STATES[entry.state]],
    ['Age', ageOf(entry)],
    [
      'Lifetime',
      `${left > 0 ? `fresh for ${span(left)}` : `stale for ${span(-left)}`}, usable until ${time(deleteAt)}`,
    ],
    ...(route === undefined ? [] : [['Route', route]]),
    ...(cost === undefined ? [] : [['Handler time', `${cost} ms`]]),
    ['Tags', tags.join(', ') || 'none'],
    ...(response === undefined ? [] : responseRows(response)),
    ...(variants === undefined
      ? []
      : [
          ['Selected by', variants.selectedBy.join(', ') || 'nothing'],
          ['Variants', variants.keys.map((one) => one.key).join(', ')],
        ]),
  ]
  return html`<h3>In ${tier === 'redis' ? 'Redis' : 'memory'}</h3>
    <div class="scroll" tabindex="0" role="region" aria-label="Entry in ${tier}"><table><tbody>
      ${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`)}
      ${(response?.fields ?? []).map(([name, value]) => html`<tr><th scope="row"><code>${name}</code></th><td><code>${value}</code></td></tr>`)}
    </tbody></table></div>`
}

/** @param {NonNullable<ShownEntry['response']>} response */
function responseRows({ method, origin, path, query, isRefined, selectedBy, bodyBytes, encodings }) {
  const coded = encodings.map((one) => `, ${one.coding} ${one.bytes === 0 ? 'not yet' : bytes(one.bytes)}`).join('')
  return [
    ['Request', `${method} ${origin}${path}${query}${isRefined ? ', and a value of the application' : ''}`],
    ['Selected by', selectedBy.join(', ') || 'nothing'],
    ['Body', bytes(bodyBytes) + coded],
  ]
}

/** @param {EntrySummary} entry */
function kindOf({ key, kind, status }) {
  // Held by a process while it runs the handler for others.
  if (kind === 'unreadable' && key.endsWith('#turn')) return 'turn of a process'
  return status === undefined ? kind : `${kind} ${status}`
}

/** @param {EntrySummary | ShownEntry} entry */
function ageOf({ storedAt }) {
  return storedAt === 0 ? '–' : span(Math.max(0, (Date.now() - storedAt) / 1000))
}

/** @param {SubmitEvent} event */
function search(event) {
  event.preventDefault()
  const form = new FormData(/** @type {HTMLFormElement} */ (event.target))
  state.prefix = String(form.get('prefix'))
  state.tier = form.get('tier') === 'memory' ? 'memory' : ''
  void list()
}

/** @param {string} [cursor] */
function list(cursor) {
  return look(async () => {
    const query = new URLSearchParams({ prefix: state.prefix, tier: state.tier })
    if (cursor !== undefined) query.set('cursor', cursor)
    state.page = await asked(`api/entries?${query}`)
    state.largest = await asked('api/largest')
  })
}

/** @param {string} key */
function show(key) {
  return look(async () => {
    state.shown = { key, tiers: await asked(`api/entry?${new URLSearchParams({ key })}`) }
  }).then(() => document.getElementById('entry')?.focus())
}

function close() {
  state.shown = undefined
  draw()
}

/** @param {() => Promise<void>} ask */
async function look(ask) {
  state.isWorking = true
  state.error = ''
  draw()
  try {
    await ask()
  } catch (error) {
    state.error = error instanceof Error ? error.message : String(error)
  }
  state.isWorking = false
  draw()
}

/** @param {string} address */
async function asked(address) {
  const reply = await fetch(address)
  const told = await reply.json()
  if (!reply.ok) throw new Error(told.error)
  return told
}
