import { writeFileSync } from 'node:fs'

/**
 * What became of a test. A test that passed when it was run again has failures too: a text each, with its stack.
 *
 * @typedef {{ readonly name: string, readonly state: string, readonly failures: readonly string[] }} TestOutcome
 */

/**
 * What became of a file. `failures` are those outside of its tests: in its imports, and in hooks, which vitest does not run again.
 *
 * @typedef {{ readonly path: string, readonly failures: readonly string[], readonly tests: readonly TestOutcome[] }} FileOutcome
 */

/**
 * A reporter of vitest (`Reporter` of `vitest/node`) that writes an outcome for each file to the path in OUTCOMES. The JSON reporter of vitest does not have the
 * errors of hooks.
 */
export default class OutcomesReporter {
  /** @param {readonly import('vitest/node').TestModule[]} modules */
  onTestRunEnd(modules) {
    const path = process.env.OUTCOMES
    if (path !== undefined) writeFileSync(path, JSON.stringify(modules.map(outcomeOf)))
  }
}

/**
 * @param {import('vitest/node').TestModule} module
 * @returns {FileOutcome}
 */
function outcomeOf(module) {
  const suites = [module, ...module.children.allSuites()]
  return {
    path: module.moduleId,
    failures: suites.flatMap((suite) => suite.errors().map(textOf)),
    tests: Array.from(module.children.allTests(), (test) => {
      const { state, errors = [] } = test.result()
      return { name: test.fullName, state, failures: errors.map(textOf) }
    }),
  }
}

/** @param {import('vitest').TestError} error */
function textOf({ message, stack }) {
  return stack?.includes(message) ? stack : `${message}\n${stack ?? ''}`
}
