/** Whether a value is a promise of any library. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/**
 * Calls several functions of the application, and returns their results. If one throws, promises returned by the others
 * are handled, so that their rejection does not end the process.
 *
 * @throws the error of the function that threw
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
