import { type Ioredis, withoutIoredis } from './ioredis-package.js'

/**
 * `load-ioredis.ts` of the CommonJS build: Jest has no `import()` in CommonJS, and `require` shows at once whether the
 * package is there, also in a bundle.
 *
 * @throws TypeError if the package cannot be loaded
 */
function requireIoredis(): Promise<Ioredis> {
  try {
    // A literal name inside try: a bundler that does not find the package only warns.
    return Promise.resolve(require('ioredis') as Ioredis)
  } catch (thrown) {
    throw withoutIoredis(thrown)
  }
}

// The name that the build replaces.
export { requireIoredis as loadIoredis }
