import type { IncomingMessage } from 'node:http'

/** The frameworks that a middleware of this package is for. */
type Framework = 'express' | 'koa'

/**
 * Refuses what a host hands to `fallbackCache` itself when it was mounted without being called.
 *
 * @param rest - the arguments after the options
 * @throws TypeError that says what to write
 */
export function checkIsCalled(options: unknown, rest: readonly unknown[]): void {
  if (rest.some((one) => one !== undefined) || isRequest(options) || isContext(options)) {
    throw new TypeError(
      'fallbackCache was mounted without being called: write app.use(fallbackCache({ ttl: 60 })), not app.use(fallbackCache)',
    )
  }
}

/**
 * The error for a middleware that was called without a function to go on with, at first use.
 *
 * @param made - the framework that it is for; @param first - what it was called with
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

const NAMES: Readonly<Record<Framework, string>> = {
  express: 'an application that calls (request, response, next), such as Express',
  koa: 'Koa',
}

function isRequest(value: unknown): value is IncomingMessage {
  return isObject(value) && 'headers' in value && 'method' in value && 'socket' in value
}

function isContext(value: unknown): boolean {
  return isObject(value) && 'req' in value && 'res' in value && 'app' in value
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
