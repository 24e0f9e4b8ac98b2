import type { Readable } from 'node:stream'

/** A request to the dashboard, as its adapters pass it on. */
export interface DashboardRequest {
  readonly method: string
  /** The path below the dashboard's own, with the slash in front; `''` if the slash is missing too. */
  readonly path: string
  /** The last part of the dashboard's own path, for the redirect that adds the slash. */
  readonly ownName: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Reads the body; `undefined` if it is longer than `limit` bytes. */
  readonly readBody: (limit: number) => Promise<Buffer | undefined>
}

/** What an adapter sends. */
export interface DashboardAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer | Readable
}

/** Sent with every answer: the page loads nothing from other origins, runs no inline code, and is not shown in frames. */
const GUARDS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
}

/** An answer that no cache stores, the cache in front of the dashboard included. */
export function answer(status: number, type: string, body: DashboardAnswer['body'], more = {}): DashboardAnswer {
  return { status, headers: { ...GUARDS, 'cache-control': 'no-store', 'content-type': type, ...more }, body }
}

export function json(value: unknown, status = 200): DashboardAnswer {
  return answer(status, 'application/json; charset=utf-8', JSON.stringify(value))
}

/** An error as JSON; the page shows its text. */
export function refusal(status: number, error: string): DashboardAnswer {
  return json({ error }, status)
}
