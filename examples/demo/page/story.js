const KEPT = 'the invalidation is kept, and sent when Redis is back'

/**
 * The one line that says what is so now, and what to do next: a title and a text. It is made from the state alone, so that it
 * goes when its cause goes.
 */
export function story({ redis, breaker, apps }, write, { since, answers, failed }, hadOutage) {
  const told = written(write, redis)
  if (redis === 'none') {
    const text = 'Each process caches in its own memory and does not learn of the writes of others.'
    return ['No redis-server here.', told ?? `${text} Try it: write a record.`]
  }
  if (redis === 'down' || redis === 'frozen') {
    const seconds = `${Math.round(since / 1000)} s`
    const title = redis === 'down' ? `Redis has been dead for ${seconds}.` : `Redis has been frozen for ${seconds}.`
    const faults = failed === 0 ? 'no error' : `${failed} errors`
    const next = redis === 'down' ? 'Write a record, or restart Redis.' : 'Write a record, or resume Redis.'
    return [title, told ?? `${answers} answers since then, ${faults}: memory answers. Next: ${next}`]
  }
  if (apps.some(({ connected }) => !connected) || breaker !== 'closed')
    return ['Redis is back.', 'Memory answers until each process has checked that what Redis holds is not outdated.']
  if (told !== undefined) return [write.everywhereAfter === undefined ? 'Written.' : 'One writes, all read.', told]
  if (hadOutage) return ['Redis answers again, in all processes.', 'Next: write a record.']
  return ['Start here:', 'press Kill Redis, and watch the answers go on. Then restart it, and write a record.']
}

/** What the last write has led to, or undefined where it is of no interest any more. */
function written(write, redis) {
  if (write === undefined) return undefined
  const { city, written: number, through, reads, everywhereAfter, durable, at } = write
  if (everywhereAfter !== undefined && Date.now() - at > 20_000 + everywhereAfter * 1000) return undefined
  const record = `${city} has ${number.toLocaleString('en')} people, written by ${name(through)}`
  if (everywhereAfter !== undefined) {
    const seconds = everywhereAfter < 1 ? 'at once' : `after ${Math.round(everywhereAfter)} s`
    return `${record}; every process reads the new record ${seconds}.`
  }
  const old = reads.filter((read) => read.now !== number).map((read) => name(read.app))
  const why =
    redis === 'none'
      ? 'until its lifetime of two minutes ends: without Redis they do not learn of it'
      : durable
        ? 'until they hear of it'
        : `from memory: ${KEPT}`
  return `${record}. ${old.join(', ').replace(/, ([^,]+)$/, ' and $1')} still ${old.length === 1 ? 'reads' : 'read'} the old one ${why}.`
}

/** `Express 1` for `express-1`. */
export function name(app) {
  const [kind = '', number = ''] = (app ?? '–').split('-')
  return `${{ express: 'Express', koa: 'Koa' }[kind] ?? kind} ${number}`.trim()
}
