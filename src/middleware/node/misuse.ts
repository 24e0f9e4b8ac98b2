import type { IncomingMessage } from 'node:http'
import { shown } from '../../core/option-checks.js'
import { isRecord } from './added-content.js'

/** The frameworks for which this package has a middleware. */
type Framework = 'express' | 'koa'

/**
 * Throws if a function that returns a middleware was mounted without being called, so that its options are a request or
 * a context.
 *
 * @param call - the correct call of the function
 * @throws TypeError that shows the correct call
 */
export function checkIsCalled(options: unknown, call: string): void {
  if (!isRequest(options) && !isContext(options)) return
  const [name] = call.split('(', 1)
  throw new TypeError(`${name} was mounted without being called: write app.use(${call}), not app.use(${name})`)
}

/** Throws if `fallbackCache` was mounted without being called, or has a second argument. @throws as {@link checkIsCalled} */
export function checkArguments(options: unknown, rest: readonly unknown[]): void {
  checkIsCalled(options, 'fallbackCache({ ttl: 60 })')
  if (rest.every((one) => one === undefined)) return
  throw new TypeError('fallbackCache takes its options as one object: write fallbackCache({ ttl: 60, skip })')
}

/**
 * The error for a middleware that was called without a `next` function, thrown on first use.
 *
 * @param made - the framework that the middleware is for
 * @param first - the first argument of the call
 */
export function misplaced(made: Framework, first: unknown): TypeError {
  const other: Framework = made === 'koa' ? 'express' : 'koa'
  const isOther = made === 'koa' ? isRequest(first) : isContext(first)
  const form = made === 'koa' ? '(ctx, next)' : '(request, response, next)'
  if (!isOther) return new TypeError(`the middleware of fallback-cache/${made} must be called with ${form}`)
  return new TypeError(
    `the middleware of fallback-cache/${made} was mounted in ${NAMES[other]}: ` +
      `write import { fallbackCache } from 'fallback-cache/${other}'`,
  )
}

/**
 * Throws for a value that `explain` does not accept. The properties of a description are checked where it is read.
 *
 * @param made - the framework that the middleware is for
 * @throws TypeError that shows the correct call
 */
export function checkExplained(asked: unknown, made: Framework): void {
  const isOwn = made === 'koa' ? isContext(asked) : isRequest(asked)
  if (isOwn && !(made === 'express' && isContext(asked))) return
  const own = made === 'koa' ? 'ctx' : 'req'
  if (isContext(asked) || isRequest(asked)) {
    throw new TypeError(`explain of fallback-cache/${made} takes ${own}: write explain(${own})`)
  }
  if (!isRecord(asked) || Array.isArray(asked)) {
    const written = typeof asked === 'string' && asked !== '' ? shown(asked) : '"/products/1"'
    throw new TypeError(
      `explain takes ${own} or a description, got ${shown(asked)}: write explain({ url: ${written} })`,
    )
  }
}

const NAMES: Readonly<Record<Framework, string>> = {
  express: 'an application that calls (request, response, next), such as Express',
  koa: 'Koa',
}

function isRequest(value: unknown): value is IncomingMessage {
  return isRecord(value) && 'headers' in value && 'method' in value && 'socket' in value
}

function isContext(value: unknown): boolean {
  return isRecord(value) && 'req' in value && 'res' in value && 'app' in value
}
