/** A command line that cannot be carried out as it is: ends with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Something that was tried and did not succeed: ends with 1. Its message is shown without a stack. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
}
