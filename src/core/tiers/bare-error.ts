import { asError } from '../errors.js'

/**
 * An error of a client without what the client hung on it: the command with its arguments, which may be a password or a body.
 * Its message is never empty, and shows no arguments.
 */
export function bareError(thrown: unknown): Error {
  const error = asError(thrown)
  const bare = new Error(messageOf(error))
  bare.name = error.name
  for (const name of ['code', 'syscall', 'address', 'port'] as const) {
    const value: unknown = (error as unknown as Record<string, unknown>)[name]
    if (typeof value === 'string' || typeof value === 'number') Object.assign(bare, { [name]: value })
  }
  return bare
}

function messageOf(error: Error): string {
  // Where a host has several addresses, node's error has one error for each, and no words of its own.
  const [first] = error instanceof AggregateError ? error.errors : []
  const message = error.message || (first instanceof Error ? first.message : '')
  if (message === '') return `the client failed without a word (${'code' in error ? String(error.code) : error.name})`
  // Redis repeats the arguments of a command that it does not know, and says where in a script of ours it was.
  return message.replace(/,? with args beginning with:.*$/s, '').replace(/ script: [\da-f]{40}\b.*$/s, '')
}
