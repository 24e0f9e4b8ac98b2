import { catalog } from './candidates/catalog.js'
import { defaults, type Setup } from './candidates/setup.js'
import { CachingProxy, isProxy } from './proxies.js'
import type { Surroundings } from './scenario.js'
import { faultOf, type Server } from './server.js'
import { Started } from './started.js'

/** Whether there is such a candidate. */
export function isKnown(name: string): boolean {
  return catalog[name] !== undefined || isProxy(name)
}

/** Starts a candidate of any kind. */
export function start(
  given: Partial<Setup> & Pick<Setup, 'candidate'>,
  { node, redis }: Surroundings,
): Promise<Server> {
  const setup = { ...defaults, redisPort: redis?.port ?? 0, ...given }
  return isProxy(setup.candidate) ? CachingProxy.start(node, setup) : Started.start(node, setup)
}

/** Starts a candidate and checks its answers. Says why it is left out, when it is. */
export async function startRight(
  given: Partial<Setup> & Pick<Setup, 'candidate'>,
  around: Surroundings,
): Promise<Server | undefined> {
  const { candidate } = given
  let server: Server
  try {
    server = await start(given, around)
  } catch (error) {
    leaveOut(candidate, error instanceof Error ? error.message : String(error))
    return undefined
  }
  const fault = await faultOf(server, catalog[candidate]?.runs ?? 1).catch(String)
  if (fault === undefined) return server
  leaveOut(candidate, fault)
  await server.stop()
  return undefined
}

const said = new Set<string>()

/** Says once what is left out, and why. */
export function leaveOut(what: string, why: string): void {
  const line = `${what} is left out: ${why}`
  if (!said.has(line)) console.log(line)
  said.add(line)
}
