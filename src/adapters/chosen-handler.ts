/**
 * The property by which an adapter names the handler of a request of Node.js that is chosen by more than its URL. The
 * same as `HANDLER` of `src/middleware/node`, which no adapter may import.
 */
export const CHOSEN_HANDLER: unique symbol = Symbol.for('fallback-cache.handler')
