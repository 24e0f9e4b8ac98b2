import type { Clock } from '../clock.js'
import type { CoherenceParts } from './coherence-parts.js'
import { Journal } from './journal.js'
import type { JournalFile } from './journal-file.js'
import { Knowledge } from './knowledge.js'
import { LogPosition } from './log-position.js'
import { MetNotes } from './met-notes.js'
import type { Mirror } from './mirror.js'
import { Nonces } from './nonces.js'
import { SharedLog } from './shared-log.js'

/** The log of invalidations, and everything that this process remembers of it. */
export interface LogParts {
  readonly log: SharedLog
  readonly journal: Journal
  readonly mirror: Mirror
  readonly nonces: Nonces
  readonly knowledge: Knowledge
  readonly notes: MetNotes
  readonly position: LogPosition
  readonly clock: Clock
}

/** The parts of a process that has not read the log yet. @param file - where pending invalidations survive the process */
export function newLogParts({ port, mirror, settings }: CoherenceParts, file: JournalFile | undefined): LogParts {
  const { clock, keyPrefix, maxHandlerTime, maxJournalBytes } = settings
  const nonces = new Nonces()
  const knowledge = new Knowledge(clock, maxJournalBytes)
  const journal = new Journal({ mirror, nonces, clock }, maxJournalBytes, file)
  const log = new SharedLog(port, keyPrefix, maxHandlerTime)
  const position = new LogPosition(mirror, knowledge, clock)
  return { log, journal, mirror, nonces, knowledge, notes: new MetNotes(clock), position, clock }
}
