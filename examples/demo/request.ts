import { Agent, request } from 'node:http'

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** What to ask for, and of whom. */
export interface Asked {
  readonly method?: 'GET' | 'PATCH'
  readonly path: string
  /** The app that shall answer, as `X-App` names it; any of them without it. */
  readonly app?: string | undefined
  /** Sent as JSON. */
  readonly body?: unknown
}

/** Asks over a real socket and waits for the whole answer; connections of the agent are kept open between requests. */
export function ask(origin: string, asked: Asked, agent: Agent): Promise<Answer> {
  const body = asked.body === undefined ? undefined : JSON.stringify(asked.body)
  const headers = {
    ...(asked.app && { 'x-app': asked.app }),
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
  }
  return new Promise((resolve, reject) => {
    const outgoing = request(origin + asked.path, { method: asked.method ?? 'GET', agent, headers }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk) => chunks.push(chunk))
      res.once('error', reject)
      res.once('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) }))
    })
    outgoing.setTimeout(10_000, () => outgoing.destroy(new Error('no answer within 10 s')))
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

/** An agent that keeps its connections open, and gives up an idle one long before the server does: what is sent into a connection that the other side is closing would fail. */
export function keepAliveAgent(maxSockets: number): Agent {
  return new Agent({ keepAlive: true, maxSockets, timeout: 20_000 })
}
