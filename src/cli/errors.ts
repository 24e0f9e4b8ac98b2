/** The command line is not valid: the exit status is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The command failed: the exit status is 1. The message is shown without a stack. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
}
