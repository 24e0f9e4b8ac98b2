import type { Command } from './command.js'

/** A command that is loaded when it is run. */
interface LazyCommand {
  readonly summary: string
  readonly load: () => Promise<Command>
  /** Its names in other tools: an error about an unknown command suggests it for them. */
  readonly elsewhere?: readonly string[]
}

/** The commands, in the order of the help. */
export const COMMANDS: Readonly<Record<string, LazyCommand>> = {
  demo: {
    summary: 'run a small application with a cache on this machine, to try it',
    load: async () => (await import('./commands/demo.js')).demoCommand,
    elsewhere: ['example', 'try', 'start'],
  },
  stats: {
    summary: 'count what Redis stores for an application, or show the traffic of its processes',
    load: async () => (await import('./commands/stats.js')).statsCommand,
  },
  top: {
    summary: 'show the largest classes and entries, or the busiest routes, until Ctrl-C',
    load: async () => (await import('./commands/top.js')).topCommand,
  },
  tail: {
    summary: 'print invalidations, or the events of a process, as they happen',
    load: async () => (await import('./commands/tail.js')).tailCommand,
    elsewhere: ['monitor', 'watch', 'log', 'logs'],
  },
  keys: {
    summary: 'list the entries in Redis',
    load: async () => (await import('./commands/keys.js')).keysCommand,
    elsewhere: ['list', 'ls', 'scan'],
  },
  get: {
    summary: 'show one entry',
    load: async () => (await import('./commands/get.js')).getCommand,
  },
  explain: {
    summary: 'request a URL, and explain what the cache did',
    load: async () => (await import('./commands/explain.js')).explainCommand,
  },
  invalidate: {
    summary: 'invalidate paths, prefixes, tags or everything, in every process',
    load: async () => (await import('./commands/invalidate.js')).invalidateCommand,
    elsewhere: ['purge', 'clear', 'flush', 'flushall', 'ban', 'delete', 'del', 'rm'],
  },
  warm: {
    summary: 'request URLs, or those of a sitemap, so that they are stored',
    load: async () => (await import('./commands/warm.js')).warmCommand,
  },
  shadow: {
    summary: 'what a cache in shadow mode would do for an application',
    load: async () => (await import('./commands/shadow.js')).shadowCommand,
  },
  doctor: {
    summary: 'examine a Redis: server, permissions, latency, prefixes, log',
    load: async () => (await import('./commands/doctor.js')).doctorCommand,
    elsewhere: ['check', 'ping', 'status', 'info'],
  },
  ui: {
    summary: 'serve the dashboard of an application on this machine',
    load: async () => (await import('./commands/ui.js')).uiCommand,
    elsewhere: ['dashboard', 'serve'],
  },
  verify: {
    summary: 'check an application for stale answers over HTTP',
    load: async () => (await import('./commands/verify.js')).verifyCommand,
  },
}
