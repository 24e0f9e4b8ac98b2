import type { Turn } from '../../core/coherence/shared-turns.js'
import type { StoredResponse } from '../store/stored-response.js'
import type { Flight, Landing } from './flight.js'
import type { Reports } from './reports.js'

/** A background refresh that waits until no other process refreshes the same response. */
interface Waiting {
  readonly flight: Flight
  /** Starts the run. */
  readonly start: () => void
  /** Ends the slot of a run that does not start. */
  readonly end: () => void
}

/** Starts a refresh when its turn among the processes has come, unless another process has refreshed the response. */
export async function startInTurn(
  turn: Promise<Turn<StoredResponse>>,
  { flight, start, end }: Waiting,
  reports: Reports,
): Promise<void> {
  try {
    const taken = await turn
    if ('found' in taken) {
      end()
      flight.land(storedElsewhere(taken.found))
      return
    }
    endTurnAfter(flight, taken)
    start()
  } catch (thrown) {
    end()
    reports.fault(thrown)
    flight.land({ kind: 'refused' })
  }
}

/** The landing for a response that another process has stored. */
export function storedElsewhere(stored: StoredResponse): Landing {
  return { kind: 'stored', stored, written: Promise.resolve(true) }
}

/** Ends this process's turn when the run has ended; if its response was stored, once it is written to Redis. */
export function endTurnAfter(flight: Flight, turn: { readonly end: (stored: boolean) => void }): void {
  flight.afterwards((landing) => {
    if (landing.kind !== 'stored') return turn.end(landing.kind === 'abandoned')
    void landing.written.then((isWritten) => turn.end(isWritten))
  })
}
