import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CircuitBreaker, type CircuitState } from '../../../src/core/tiers/circuit-breaker.js'

interface Real {
  readonly breaker: CircuitBreaker
  readonly changes: [CircuitState, CircuitState][]
}

interface Model {
  state: CircuitState
  failures: number
  changes: number
  readonly threshold: number
}

type Command = fc.Command<Model, Real>

function command(name: string, change: (model: Model, real: Real) => void): Command {
  return {
    check: () => true,
    run(model, real) {
      const before = model.state
      change(model, real)
      if (model.state !== before) {
        model.changes++
        expect(real.changes.at(-1)).toEqual([before, model.state])
      }
      expect(real.changes).toHaveLength(model.changes)
      expect(real.breaker.state).toBe(model.state)
      expect(real.breaker.failures).toBe(model.failures)
    },
    toString: () => name,
  }
}

const fail = command('fail', (model, { breaker }) => {
  breaker.fail()
  model.failures++
  if (model.state === 'half_open' || model.failures >= model.threshold) model.state = 'open'
})
const succeed = command('succeed', (model, { breaker }) => {
  breaker.succeed()
  if (model.state === 'closed') model.failures = 0
})
const halfOpen = command('halfOpen', (model, { breaker }) => {
  expect(breaker.halfOpen()).toBe(model.state === 'open')
  if (model.state === 'open') model.state = 'half_open'
})
const close = command('close', (model, { breaker }) => {
  breaker.close()
  model.state = 'closed'
  model.failures = 0
})

function make(threshold: number): Real {
  const changes: [CircuitState, CircuitState][] = []
  return { changes, breaker: new CircuitBreaker(threshold, (from, to) => changes.push([from, to])) }
}

describe('CircuitBreaker', () => {
  it('does what its three states say, in any order of events', () => {
    const commands = fc.commands([fail, succeed, halfOpen, close].map((one) => fc.constant(one)))
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), commands, (threshold, run) => {
        const model: Model = { state: 'closed', failures: 0, changes: 0, threshold }
        fc.modelRun(() => ({ model, real: make(threshold) }), run)
      }),
    )
  })

  it('opens at the threshold of failures in a row, not before', () => {
    const { breaker } = make(3)
    breaker.fail()
    breaker.fail()
    breaker.succeed()
    breaker.fail()
    breaker.fail()
    expect(breaker.state).toBe('closed')
    breaker.fail()
    expect(breaker.state).toBe('open')
  })

  it('lets one probe through, and no second one while it is on its way', () => {
    const { breaker } = make(1)
    breaker.fail()
    expect([breaker.halfOpen(), breaker.halfOpen(), breaker.halfOpen()]).toEqual([true, false, false])
  })

  it('is not closed by a reply that had been on its way', () => {
    const { breaker } = make(1)
    breaker.fail()
    breaker.succeed()
    expect(breaker.state).toBe('open')
    breaker.halfOpen()
    breaker.succeed()
    expect(breaker.state).toBe('half_open')
  })

  it('goes on counting while probes fail, as the original does', () => {
    const { breaker } = make(2)
    breaker.fail()
    breaker.fail()
    for (let probe = 0; probe < 100; probe++) {
      breaker.halfOpen()
      breaker.fail()
    }
    expect(breaker.failures).toBe(102)
    breaker.close()
    expect(breaker.failures).toBe(0)
  })
})
