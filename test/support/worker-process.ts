import { createInstance, type WorkerMethods } from './worker-methods.js'

/** A message to the worker. */
export interface Call {
  readonly id: number
  /** Which of the caches in the process is meant. */
  readonly instance: number
  readonly method: string
  readonly args: readonly unknown[]
}

/** A message back. */
export interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

const instances = new Map<number, WorkerMethods>()
const troubles: string[] = []

process.on('unhandledRejection', (reason) => troubles.push(`unhandledRejection: ${stack(reason)}`))
process.on('uncaughtException', (error) => troubles.push(`uncaughtException: ${stack(error)}`))
process.on('warning', (warning) => {
  // That a Redis cannot be used, or refuses something, is what these tests are about, and is to be said.
  const isExpected = /^memory answers alone|^Redis answers [A-Z]+ to |^Redis has a maxmemory /.test(warning.message)
  if (!isExpected) troubles.push(`warning: ${stack(warning)}`)
})
process.on('SIGTERM', () => {
  void Promise.all([...instances.values()].map((instance) => instance.close())).finally(() => process.exit(0))
})
process.on('disconnect', () => process.exit(0))

process.on('message', (call: Call) => {
  void perform(call).then(
    (value) => answer({ id: call.id, value }),
    (error: unknown) => answer({ id: call.id, error: stack(error) }),
  )
})

async function perform({ instance, method, args }: Call): Promise<unknown> {
  if (method === 'troubles') return troubles.splice(0)
  const methods = instances.get(instance) ?? createInstance()
  instances.set(instance, methods)
  // The name and the arguments come from Worker.call, which is typed by the same interface.
  const run = (methods as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>)[method]
  if (!run) throw new Error(`no method ${method}`)
  return await run(...args)
}

function answer(message: Answer): void {
  if (process.connected) process.send?.(message)
}

function stack(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? String(thrown)) : String(thrown)
}
