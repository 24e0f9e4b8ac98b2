import { hostname } from 'node:os'

/** Begins all internal names of the library; the braces assign them to the same cluster slot. */
const OWN = '{fallback-cache}:'

/** The name in Redis of an internal key of the library. */
export function ownName(
  keyPrefix: string,
  what:
    | 'head'
    | 'log'
    | 'marks'
    | 'changes'
    | 'sweep'
    | 'present'
    | 'owner'
    | 'probe'
    | 'confirm'
    | 'processes'
    | 'taken',
): string {
  return keyPrefix + OWN + what
}

/** The name in Redis of an entry: its key, changed if it could be mistaken for an internal name. */
export function entryName(keyPrefix: string, key: string): string {
  return keyPrefix + (key.includes(OWN) ? key.replaceAll(OWN, `${OWN}:`) : key)
}

/** The key of an entry from its name in Redis. */
export function entryKey(keyPrefix: string, name: string): string {
  return name.slice(keyPrefix.length).replaceAll(`${OWN}:`, OWN)
}

/** The name of this process: host, pid, and an id of its cache. */
export function processName(id: string): string {
  return `${hostname()}/${process.pid}/${id}`
}
