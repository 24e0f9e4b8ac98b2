import type { FallbackCache } from '../../index.js'
import { fallbackCache } from '../../middleware/express.js'
import type { Arguments } from '../arguments.js'
import type { Command, ExitCode, Surroundings } from '../command.js'
import { answeredByDashboard, DASHBOARD, LocalServer } from '../local-server.js'
import { withCache } from '../operator-cache.js'
import { REDIS_OPTIONS } from '../redis-options.js'
import { visible } from '../terminal.js'

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
  const server = new LocalServer()
  const dashboard = cached.dashboard({ authorize: server.isOwn, readOnly: !given.has('write') })
  await server.listen(given.number('port', 7070, [0, 65_535]), (request, response) => {
    if (answeredByDashboard(dashboard, request, response)) return
    response.writeHead(request.url === '/' ? 302 : 404, { location: `${DASHBOARD}/` }).end()
  })
  const url = `${server.origin}${DASHBOARD}/`
  if (given.has('json')) await terminal.json({ url })
  else await terminal.print(`${visible(url)}  (Ctrl-C ends it)`)
  await server.end(signal)
  return 0
}
