import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FallbackCache } from '../../index.js'
import { fallbackCache } from '../../middleware/express.js'
import type { Arguments } from '../arguments.js'
import type { Command, ExitCode, Surroundings } from '../command.js'
import { CommandFailure } from '../errors.js'
import { withCache } from '../operator-cache.js'
import { REDIS_OPTIONS } from '../redis-options.js'
import { visible } from '../terminal.js'

const PATH = '/__cache'

/** `fallback-cache ui`: serve the dashboard of an application on this machine. */
export const uiCommand: Command = {
  synopsis: '[options]',
  description:
    'Serves the dashboard of an application on this machine, at 127.0.0.1 only: entries, invalidations, and the reports of processes that have a dashboard. The command follows the log of invalidations as a process of the application does, but answers no requests. Ends with Ctrl-C.',
  options: {
    port: { value: 'n', text: 'Default: 7070; 0 takes a free one' },
    group: { value: 'name', text: 'the option group of the middleware whose paths it invalidates. Default: none' },
    write: { text: 'let the page invalidate' },
    ...REDIS_OPTIONS,
  },
  arity: [0, 0],
  examples: [
    ['Look', 'ui'],
    ['Look, and invalidate', 'ui --write --group shop'],
  ],
  failsIf: 'the port is taken, or Redis failed',
  run: (given, around) => withCache(given, around, (cache) => serve(cache, given, around)),
}

async function serve(cache: FallbackCache, given: Arguments, { terminal, signal }: Surroundings): Promise<ExitCode> {
  const cached = fallbackCache({ cache, ttl: 1, group: given.text('group') ?? '' })
  let hosts: readonly string[] = []
  const dashboard = cached.dashboard({
    // DNS rebinding: a page of another site whose name points here sends that name.
    authorize: ({ headers: { host } }) => host !== undefined && hosts.includes(host),
    readOnly: !given.has('write'),
  })
  const server = createServer((request, response) => answer(dashboard, request, response))
  server.listen(given.number('port', 7070, [0, 65_535]), '127.0.0.1')
  await once(server, 'listening').catch((thrown: unknown) => {
    throw new CommandFailure(thrown instanceof Error ? thrown.message : String(thrown))
  })
  const { port } = server.address() as AddressInfo
  hosts = [`127.0.0.1:${port}`, `localhost:${port}`]
  const url = `http://127.0.0.1:${port}${PATH}/`
  if (given.has('json')) await terminal.json({ url })
  else await terminal.print(`${visible(url)}  (Ctrl-C ends it)`)
  if (!signal.aborted) await once(signal, 'abort')
  server.closeAllConnections()
  server.close()
  return 0
}

/** Passes a request on as Express does below a path. */
function answer(
  dashboard: ReturnType<ReturnType<typeof fallbackCache>['dashboard']>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { url = '/' } = request
  if (url !== PATH && !url.startsWith(`${PATH}/`) && !url.startsWith(`${PATH}?`)) {
    response.writeHead(url === '/' ? 302 : 404, { location: `${PATH}/` }).end()
    return
  }
  Object.assign(request, { baseUrl: PATH, originalUrl: url })
  dashboard(request, response, () => response.writeHead(500).end())
}
