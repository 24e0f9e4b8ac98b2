import type { RequestHead } from '../port/request-head.js'
import { isFilledInput, ROUTE } from '../rules/filled-inputs.js'
import type { InputsRead } from '../rules/inputs-read.js'
import type { InputsDecision } from '../rules/storable-inputs.js'
import { hasField } from '../syntax/fields.js'
import type { Warning, WarningKind } from './reports.js'

/** A warning that is given once per cache, even if it applies to several inputs and routes. */
export interface Advice {
  readonly kind: WarningKind
  readonly text: Warning
}

/**
 * The warnings about the inputs of a run: which fields have become selecting fields, and why the response was not
 * stored.
 */
export function adviceOn(
  { refusal, input, selecting }: InputsDecision,
  { place }: InputsRead,
  request: RequestHead,
): readonly Advice[] {
  const { url } = request
  if (refusal !== undefined) return [{ kind: refusal, text: (texts) => texts.refusedInput(url, refusal, input, place) }]
  return selecting
    .filter((name) => !isQuiet(name, request))
    .map((name) => ({
      kind: isFilledInput(name) ? 'value-selects' : 'field-selects',
      text: (texts) => texts.selectingInput(url, name),
    }))
}

/**
 * Whether no warning is needed: frameworks read Accept for every redirect, the route is no one's mistake, and an absent
 * cookie or field costs nothing.
 */
function isQuiet(name: string, request: RequestHead): boolean {
  if (name === ROUTE) return true
  if (isFilledInput(name)) return request.filled?.(name) === null
  return name === 'accept' || name.startsWith('cookie') || !hasField(request.headers, name)
}
