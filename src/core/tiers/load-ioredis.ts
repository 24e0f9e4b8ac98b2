import { type Ioredis, withoutIoredis } from './ioredis-package.js'

/**
 * Loads the package `ioredis`. Bundlers follow the import: a bundle contains the package if it was there when the
 * bundle was made, and runs without it otherwise. The CommonJS build contains `require-ioredis.ts` in place of this
 * file.
 *
 * @throws TypeError at once if this package is installed without `ioredis` beside it; in a bundle, the promise rejects
 */
export function loadIoredis(): Promise<Ioredis> {
  const absence = isInstalled() ? absenceOfIoredis() : undefined
  if (absence !== undefined) throw withoutIoredis(absence)
  return importIoredis()
}

async function importIoredis(): Promise<Ioredis> {
  try {
    // A literal name inside try: a bundler that does not find the package only warns.
    // biome-ignore lint/style/noRestrictedImports: the optional peer dependency, loaded only for a Redis URL
    const loaded: object = await import('ioredis')
    // Some bundlers give a CommonJS package a default export only.
    return ('Redis' in loaded ? loaded : (loaded as { default: unknown }).default) as Ioredis
  } catch (thrown) {
    throw withoutIoredis(thrown)
  }
}

/** False in a bundle, where the packages on disk say nothing about those in the bundle. */
function isInstalled(): boolean {
  try {
    const own = located('fallback-cache/package.json')
    return import.meta.url.startsWith(new URL('.', own).href)
  } catch {
    return false
  }
}

/** The reason why `ioredis` cannot be found; `undefined` if it can. */
function absenceOfIoredis(): unknown {
  try {
    located('ioredis')
    return undefined
  } catch (thrown) {
    return thrown
  }
}

/** Takes the name as a parameter: webpack looks for a literal one itself, and makes no bundle where it finds nothing. */
function located(name: string): string {
  return import.meta.resolve(name)
}
