import { entryWith } from '../../core/entry.js'
import { correctedInitialAge } from '../rules/age.js'
import { updatedFields } from '../rules/stored-fields.js'
import { responseControl } from '../rules/targeted.js'
import { type RouteFields, toFieldList } from './route-fields.js'
import { StoredResponse } from './stored-response.js'

/**
 * The fields of a stored response after an update, as if the route had just sent all of them (RFC 9111, section 3.2).
 *
 * @param update - the fields of the 304, or of the response to HEAD
 * @param targets - the target list, in lower case
 */
export function updatedRoute(
  stored: StoredResponse,
  update: RouteFields,
  targets: readonly string[],
  receivedAt: number,
): RouteFields {
  const { control } = responseControl(update.deciding, targets)
  const { byName, isLengthAdded } = stored
  const own = isLengthAdded ? { ...byName, 'content-length': undefined } : byName
  const fields = updatedFields(own, update.fields, control, receivedAt)
  const deciding = { ...fields }
  for (const name of Object.keys(update.deciding)) {
    // Fields that outer middleware set for this client are used for the decision but not stored.
    if (update.fields[name] === undefined) deciding[name] = update.deciding[name]
  }
  const names = new Map<string, string>()
  for (let at = 0; at < stored.list.length; at += 2) {
    const name = String(stored.list[at])
    names.set(name.toLowerCase(), name)
  }
  for (const [lower, name] of update.names) if (!names.has(lower)) names.set(lower, name)
  const appended = [...new Set([...stored.appended, ...update.appended])]
  // Frameworks remove fields that describe the content from every 304.
  return { fields, names, appended, removed: stored.removed, deciding }
}

/** A stored response with updated fields, to be sent once without being stored. */
export function freshened(
  stored: StoredResponse,
  updated: RouteFields,
  requestedAt: number,
  receivedAt: number,
): StoredResponse {
  const initialAge = correctedInitialAge(updated.fields, requestedAt, receivedAt)
  const { age, ...fields } = updated.fields
  return new StoredResponse(entryWith(stored.entry, { storedAt: receivedAt, staleAt: receivedAt }), {
    ...stored,
    fields: toFieldList(fields, updated.names),
    appended: updated.appended,
    removed: updated.removed,
    initialAge,
  })
}
