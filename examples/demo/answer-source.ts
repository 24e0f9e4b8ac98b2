/** Where an answer came from: a tier of the cache, a handler, another request's run of the handler, or an app with no cache in between. */
export type AnswerSource = 'redis' | 'memory' | 'handler' | 'collapsed' | 'none'

/** Reads it from the last member of Cache-Status (RFC 9211), which is the cache nearest to the user. */
export function answerSource(cacheStatus: string | undefined): AnswerSource {
  const member = cacheStatus?.split(',').at(-1)
  if (member === undefined) return 'none'
  if (/;\s*hit\b/.test(member)) return /;\s*detail="?redis/.test(member) ? 'redis' : 'memory'
  if (/;\s*fwd=(method|bypass)/.test(member)) return 'none'
  return /;\s*collapsed(?!\s*=\s*\?0)/.test(member) ? 'collapsed' : 'handler'
}
