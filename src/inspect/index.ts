export type {
  EntryKind,
  EntryState,
  EntrySummary,
  InspectedEntry,
  InspectedResponse,
  InspectedVariants,
} from './inspected-entry.js'
export { type EntryPage, Inspector, inspectorOf, type PageQuery } from './inspector.js'
