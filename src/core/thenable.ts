/** Whether a value is a promise, of whatever library. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/**
 * The answers of several functions of the application. When one of them throws, a promise of another one may reject without ending the
 * process.
 *
 * @throws whatever one of them throws
 */
export function answersOf<T>(functions: readonly (((asked: T) => unknown) | undefined)[], asked: T): unknown[] {
  const answers: unknown[] = []
  try {
    for (const ask of functions) answers.push(ask?.(asked))
  } catch (thrown) {
    for (const answer of answers) if (isThenable(answer)) Promise.resolve(answer).catch(() => {})
    throw thrown
  }
  return answers
}
