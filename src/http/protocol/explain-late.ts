import type { ExplainedExchange } from './described-request.js'
import type { Explained } from './explain.js'
import type { Explanation } from './explanation.js'

let loaded: typeof import('./explain.js') | undefined

/** Explains a request with code that the first call loads: at once if it is there, for the request goes on. */
export function explainLate<Context extends object>(
  exchange: ExplainedExchange<Context>,
  of: Explained<Context>,
): Promise<Explanation> {
  return loaded === undefined ? load().then(({ explain }) => explain(exchange, of)) : loaded.explain(exchange, of)
}

async function load(): Promise<typeof import('./explain.js')> {
  loaded ??= await import('./explain.js')
  return loaded
}
