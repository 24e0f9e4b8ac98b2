import { shown } from '../../core/option-checks.js'
import { REASONS } from '../rules/reasons.js'
import type { ExplainedResponse, Explanation, Outcome } from './explanation.js'

/** Formats an explanation as a few lines of readable text. */
export function explanationText(explanation: Omit<Explanation, 'text'>, now: number): string {
  const { request, key, credentials, stored, absence, refused, fault } = explanation
  return [
    `${request.method} ${request.origin}${request.url}`,
    line('would be', outcomeText(explanation)),
    line('because', explanation.reason && `${explanation.reason}: ${REASONS[explanation.reason]}`),
    line('failed', fault),
    line('key', key && keyText(key)),
    line('credentials', credentials.map(({ kind, name }) => (name === '' ? kind : `${kind} ${name}`)).join(', ')),
    line('stored', stored && responseText(stored)),
    ...(stored?.selecting ?? []).map((one) =>
      line('selected by', `${one.name}: stored for ${quoted(one.stored)}, asked with ${quoted(one.asked)}`),
    ),
    line('encoded', stored && encodingsText(stored)),
    line('stored', absence && ABSENCES[absence]),
    line('handler gets', forwardText(explanation)),
    line('last refused', refused && `${refused.reason}, ${seconds(now - refused.at)} ago`),
    line('Cache-Status', explanation.cacheStatus),
  ]
    .filter((one) => one !== '')
    .join('\n')
}

const ABSENCES = {
  nothing: 'nothing for this request',
  invalidated: 'nothing that may be used: it was invalidated',
  expired: 'nothing that may be used: it is past its use',
  unreadable: 'something that cannot be read: foreign, truncated or of a later version',
  unconfirmed: 'nothing that may be used: Redis cannot be asked whether it was invalidated',
} as const

const OUTCOMES: Readonly<Record<Outcome, string>> = {
  hit: 'answered from',
  wait: 'answered by the handler that runs for another request already',
  forward: 'forwarded to the handler',
  pass: 'forwarded to the handler, whose answer is not stored',
  refuse: 'answered with 504',
}

function line(name: string, text: string | undefined): string {
  return text === undefined || text === '' ? '' : `  ${name}: ${text}`
}

function outcomeText({ outcome, tier, status, refreshes }: Omit<Explanation, 'text'>): string {
  if (outcome !== 'hit') return OUTCOMES[outcome]
  return `${OUTCOMES.hit} ${tier} with ${status}${refreshes ? ', and refreshed in the background' : ''}`
}

function keyText(key: NonNullable<Explanation['key']>): string {
  const parts = [
    key.group === '' ? '' : `group ${key.group}`,
    key.query === '' ? 'no query' : `query ${key.query}`,
    key.noVarySearch === undefined ? '' : `by No-Vary-Search: ${key.noVarySearch}`,
    key.isPersonal ? 'of one user' : key.isRefined ? 'refined by the route' : '',
  ]
  return `${key.text} (${parts.filter((part) => part !== '').join(', ')})`
}

function responseText(stored: ExplainedResponse): string {
  const { lifetimeLeft: left, tags, entityTag } = stored
  const lifetime = left > 0 ? `fresh for ${left} s` : `stale for ${-left} s`
  const fresh = stored.isSoftened ? `${lifetime}, invalidated softly` : lifetime
  const directives = Object.entries(stored.control).map(([name, value]) => `${name}=${shown(value)}`)
  return [
    `${stored.status}, ${stored.size} bytes in ${stored.tier}, ${stored.age} s old, ${fresh}`,
    `until ${new Date(stored.staleAt).toISOString()}`,
    entityTag === undefined ? '' : `ETag ${entityTag}`,
    tags.length === 0 ? '' : `tags ${tags.join(' ')}`,
    directives.join(' '),
  ]
    .filter((part) => part !== '')
    .join(', ')
}

function encodingsText({ encodings, coding }: ExplainedResponse): string {
  if (coding === undefined) return ''
  const made = encodings.map((one) => `${one.coding} ${one.size === undefined ? 'not yet' : `${one.size} bytes`}`)
  return `${made.join(', ')}; this request likes ${coding}`
}

function forwardText({ forwarded }: Omit<Explanation, 'text'>): string {
  if (forwarded === undefined) return ''
  const added = Object.entries(forwarded.conditions).map(([name, value]) => `${name}: ${value}`)
  const hidden = forwarded.hidden.map((name) => `no ${name}`)
  return [...added, ...hidden].join(', ')
}

function quoted(value: string | null): string {
  return value === null ? 'nothing' : JSON.stringify(value)
}

function seconds(milliseconds: number): string {
  return `${Math.max(0, Math.round(milliseconds / 1000))} s`
}
