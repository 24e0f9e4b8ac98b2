import { asError } from '../errors.js'

/**
 * A copy of a client's error that holds only message, name, code and address. Clients attach the command and its
 * arguments to their errors, which may contain a password or a response body. The message is never empty and shows no
 * arguments.
 */
export function bareError(thrown: unknown): Error {
  const error = asError(thrown)
  const bare = new Error(messageOf(error))
  bare.name = error.name
  for (const name of ['code', 'syscall', 'address', 'port'] as const) {
    const value: unknown = Reflect.get(error, name)
    if (typeof value === 'string' || typeof value === 'number') Object.assign(bare, { [name]: value })
  }
  return bare
}

function messageOf(error: Error): string {
  // If a host has several addresses, Node.js throws an AggregateError with an empty message and one error per address.
  const [first] = error instanceof AggregateError ? error.errors : []
  const message = error.message || (first instanceof Error ? first.message : '')
  if (message === '') return `the client failed without a word (${'code' in error ? String(error.code) : error.name})`
  // Redis repeats the arguments of an unknown command, and appends the hash and line of a failed script.
  return message.replace(/,? with args beginning with:.*$/s, '').replace(/ script: [\da-f]{40}\b.*$/s, '')
}
