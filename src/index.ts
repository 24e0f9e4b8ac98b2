export { buildKey, type KeyParams } from './core/build-key.js'
export type { CacheStats } from './core/cache-stats.js'
export type { HandlerMessage, InvalidateMessage, RequestMessage, StoreMessage } from './core/channels.js'
export type { Clock, Timer } from './core/clock.js'
export type { JournalStats } from './core/coherence/journal.js'
export type { LogStats } from './core/coherence/log-position.js'
export type { MirrorStats } from './core/coherence/mirror.js'
export type { OutageStats } from './core/coherence/outages.js'
export type { BoardStats } from './core/coherence/process-board.js'
export type { RetiredStats } from './core/coherence/retired-keys.js'
export type { Counters } from './core/counters.js'
export type { Duration } from './core/duration.js'
export { CacheError, type CacheErrorCode } from './core/errors.js'
export type { CacheEvents, Invalidated, Tier } from './core/events.js'
export {
  type CoveredCount,
  FallbackCache,
  type InvalidateOptions,
  type Invalidation,
  type InvalidationMark,
  type PrefixOptions,
} from './core/fallback-cache.js'
export type { DurationStats } from './core/histogram.js'
export type { Logger } from './core/logger.js'
export type { AnswerTier, MeterStats, RequestResult, RequestStats, RouteStats, TrafficStats } from './core/meters.js'
export type { CircuitBreakerOptions, FallbackCacheOptions } from './core/options.js'
export type { RecordingStats } from './core/recordings.js'
export type { AssignOptions, SetOptions } from './core/set-options.js'
export type { Credentials } from './core/tiers/credentials.js'
export { isBackgroundRefresh } from './http/port/refresh-mark.js'
export type {
  ExplainedCredential,
  ExplainedEncoding,
  ExplainedForward,
  ExplainedKey,
  ExplainedRequest,
  ExplainedResponse,
  ExplainedSelection,
  Explanation,
  Outcome,
  RequestDescription,
} from './http/protocol/explanation.js'
export { REASONS, type Reason } from './http/rules/reasons.js'
export type { ShadowFigures, ShadowReport, ShadowRoute } from './http/shadow/shadow-report.js'
export type { VerifiedAnswers, VerifiedRoute, VerifyReport } from './http/shadow/verify-report.js'
