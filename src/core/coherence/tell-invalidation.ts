import type { GuardedEmitter } from '../events.js'
import { type Cover, coverText } from './cover.js'

/** Emits the event `invalidate` with the covers of an invalidation, if it has a listener. */
export function tellInvalidation(events: GuardedEmitter, covers: readonly Cover[], origin: 'local' | 'log'): void {
  if (events.listenerCount('invalidate') > 0) events.tell('invalidate', { covers: covers.map(coverText), origin })
}
