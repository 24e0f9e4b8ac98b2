import { bytes, count, percent, span, time } from './format.js'

/**
 * @typedef {import('../../index.js').ShadowReport} ShadowReport
 * @typedef {import('../../index.js').ShadowFigures} ShadowFigures
 * @typedef {import('../../index.js').ShadowRoute} ShadowRoute
 * @typedef {import('../../index.js').VerifyReport} VerifyReport
 * @typedef {import('../../index.js').VerifiedRoute} VerifiedRoute
 */

/** How the answers of the cache compare with those of the handler, and what that means. */
const ANSWERS = /** @type {Record<keyof ShadowFigures['answers'], readonly [name: string, meaning: string]>} */ ({
  same: ['same', 'the page of the handler'],
  leaked: ['leaked', "another visitor's page: name the visitor with key, user or vary, or exclude the route"],
  suspected: ['suspected', 'differs between visitors; it is not known yet whether it has changed or is personal'],
  stale: ['stale', 'the page had changed for everyone: invalidate it, or shorten its lifetime'],
  noise: ['noise', 'the page is another one in each run'],
  unseen: ['not compared', 'a 304, HEAD, a part, an error, a run that was cut off, or an invalidation during it'],
})

const DIFFERENCES = /** @type {const} */ (['leaked', 'suspected', 'stale', 'noise'])

/** Routes and reasons that are shown. */
const MOST = 50

/**
 * That of the page, which has it already: this file is loaded for a cache in the mode `shadow` or `verify` only.
 *
 * @type {Pick<typeof import('lit-html'), 'html' | 'nothing'>}
 */
let lit

const state = {
  /** @type {{ process: string, report: ShadowReport } | undefined} */
  shadow: undefined,
  /** @type {{ process: string, report: VerifyReport } | undefined} */
  verify: undefined,
  error: '',
}

/** Asks for the report of the process that answers this page. @param {'shadow' | 'verify'} mode @param {typeof lit} ofPage */
export async function askMode(mode, ofPage) {
  lit = ofPage
  try {
    const reply = await fetch(`api/${mode}`)
    const told = await reply.json()
    if (!reply.ok) throw new Error(told.error)
    state[mode] = told
    state.error = ''
  } catch (error) {
    state.error = error instanceof Error ? error.message : String(error)
  }
}

/** The report of a mode, for the requests of this process. @param {'shadow' | 'verify'} mode */
export function modeTemplate(mode) {
  const { error } = state
  const told = state[mode]
  if (told === undefined)
    return lit.html`<p class="wait" role="status">${error || 'Asking the process for its report …'}</p>`
  const { process, report } = told
  return lit.html`
    ${error === '' ? lit.nothing : lit.html`<p class="alert" role="alert">${error}</p>`}
    <section class="panel">
      <h2>${mode === 'shadow' ? 'Shadow mode' : 'Hits, beside their handlers'}</h2>
      <p class="hint">${mode === 'shadow' ? 'Every request runs its handler, and nothing is stored. This is what the cache would do' : 'After a share of the fresh hits their handlers run once more. This is how the answers compare'}, in the process that answers this page (${process.split('/').slice(0, 2).join(':')}), since ${time(report.since)}.</p>
    </section>
    ${'directory' in report ? shadowTemplate(report) : verifyTemplate(report)}`
}

/** What the cache would do. @param {ShadowReport} report */
function shadowTemplate({ all, routes, directory }) {
  return lit.html`
    <section class="tiles" aria-label="What the cache would do">
      ${tile('Hit ratio', percent(all.hitRatio), sizes(all))}
      ${tile('Requests', count(all.requests), `${count(all.bypassed)} would bypass the cache`)}
      ${tile('Handler time', `${span(all.savedSeconds)} saved`, `of ${span(all.handlerSeconds)}`)}
      ${tile('Bodies', bytes(all.savedBytes), 'would come from the cache')}
      ${tile("Another visitor's", count(all.answers.leaked), `${count(all.answers.suspected)} suspected`)}
      ${tile('Stale', count(all.answers.stale), `${count(all.answers.same)} the same, ${count(all.answers.noise)} noise`)}
    </section>
    ${answersTemplate(all)}
    ${routesTemplate(routes)}
    ${refusedTemplate(all)}
    <p class="hint">${count(directory.entries)} fingerprints, ${bytes(directory.bytes)} of ${bytes(directory.maxBytes)}.${directory.evicted > 0 ? ` ${count(directory.evicted)} had to go, so the ratios are a little too low.` : ''}</p>`
}

/** What was compared. @param {VerifyReport} report */
function verifyTemplate({ compared, answers, routes }) {
  return lit.html`
    <section class="tiles" aria-label="What was compared">
      ${tile('Compared', count(compared), `${count(answers.same)} the same, ${count(answers.noise)} noise`)}
      ${tile("Another visitor's", count(answers.leaked), `${count(answers.suspected)} suspected`)}
      ${tile('Stale', count(answers.stale), `${count(answers.unseen)} not compared`)}
    </section>
    ${answersTemplate({ answers })}
    ${routesTemplate(routes)}`
}

/** @param {string} name @param {string} value @param {string} more */
function tile(name, value, more) {
  return lit.html`<div class="tile"><h2>${name}</h2><p class="value">${value}</p><p class="hint">${more}</p></div>`
}

/** @param {ShadowFigures} figures */
function sizes({ hitRatioAt }) {
  return `with 1, 10, 64 MiB: ${[hitRatioAt['1'], hitRatioAt['10'], hitRatioAt['64']].map(percent).join(', ')}`
}

/** @param {Pick<ShadowFigures, 'answers'>} figures */
function answersTemplate({ answers }) {
  return lit.html`<section class="panel">
    <h2>Its answers, beside those of the handlers</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Answers compared"><table>
      <thead><tr><th scope="col">Answer</th><th scope="col" class="number">Times</th><th scope="col">Meaning</th></tr></thead>
      <tbody>${Object.entries(ANSWERS).map(
        ([kind, [name, meaning]]) => lit.html`<tr>
        <th scope="row">${name}</th><td class="number">${count(answers[/** @type {keyof typeof ANSWERS} */ (kind)])}</td><td class="words">${meaning}</td>
      </tr>`,
      )}</tbody>
    </table></div>
  </section>`
}

/** @param {readonly (ShadowRoute | VerifiedRoute)[]} routes */
function routesTemplate(routes) {
  const [first] = routes
  return lit.html`<section class="panel">
    <h2>By route</h2>
    ${
      first === undefined
        ? lit.html`<p>No requests yet.</p>`
        : lit.html`<div class="scroll" tabindex="0" role="region" aria-label="Answers by route"><table>
          <thead><tr><th scope="col">Route</th>${[...('requests' in first ? ['Requests', 'Hit ratio', 'Saved'] : ['Compared', 'Same']), 'Leaked', 'Stale', 'Noise'].map((name) => lit.html`<th scope="col" class="number">${name}</th>`)}<th scope="col">Keys</th></tr></thead>
          <tbody>${routes.slice(0, MOST).map(routeRow)}</tbody>
        </table></div>`
    }
  </section>`
}

/** @param {ShadowRoute | VerifiedRoute} row */
function routeRow(row) {
  const { route, answers, examples } = row
  const first =
    'requests' in row
      ? [count(row.requests), percent(row.hitRatio), span(row.savedSeconds)]
      : [count(row.compared), count(answers.same)]
  const keys = DIFFERENCES.flatMap((kind) => examples[kind].map((key) => ({ kind, key })))
  return lit.html`<tr>
    <th scope="row">${route === '' ? lit.html`<i>unknown route</i>` : lit.html`<code>${route}</code>`}</th>
    ${first.map((value) => lit.html`<td class="number">${value}</td>`)}
    <td class="number">${count(answers.leaked)}${answers.suspected > 0 ? lit.html`<br><small>${count(answers.suspected)} suspected</small>` : lit.nothing}</td>
    <td class="number">${count(answers.stale)}</td><td class="number">${count(answers.noise)}</td>
    <td class="words">${
      keys.length === 0
        ? '–'
        : lit.html`<details><summary>${keys.length} that ${keys.length === 1 ? 'differs' : 'differ'}</summary><ul class="moments">${keys.map(({ kind, key }) => lit.html`<li><b>${kind}</b> <code>${key}</code></li>`)}</ul></details>`
    }</td>
  </tr>`
}

/** @param {ShadowFigures} figures */
function refusedTemplate({ refused }) {
  return lit.html`<section class="panel">
    <h2>What it would not store</h2>
    ${
      refused.length === 0
        ? lit.html`<p>Nothing was refused.</p>`
        : lit.html`<div class="scroll" tabindex="0" role="region" aria-label="Refusals in shadow mode"><table>
          <thead><tr><th scope="col">Reason</th><th scope="col" class="number">Times</th><th scope="col">Meaning</th><th scope="col">Remedy</th></tr></thead>
          <tbody>${refused.slice(0, MOST).map(
            ({ reason, count: times, meaning, remedy }) => lit.html`<tr>
            <th scope="row"><code>${reason}</code></th><td class="number">${count(times)}</td><td class="words">${meaning}</td><td class="words">${remedy === '' ? 'nothing to do' : remedy}</td>
          </tr>`,
          )}</tbody>
        </table></div>`
    }
  </section>`
}
