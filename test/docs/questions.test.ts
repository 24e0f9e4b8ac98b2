import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const page = readFileSync('docs/questions.md', 'utf8')
const answers = page.split(/^(?=\*\*)/m).slice(1)

/** What operators and new users ask. */
const TOPICS = [
  'hit ratio',
  'purge everything',
  'upgrade',
  'two applications share one Redis',
  'cookie makes my page uncacheable',
  'whether a page is cached',
  'logged-in users',
  'How large must Redis be',
  'eviction policy',
  'ACL',
  'Cluster',
  'pm2',
  'nginx',
  'ETag',
  'compression',
  'test an application',
  'GraphQL',
  'streams',
  'lifetime of one route',
  'warm the cache',
  'switch it off',
  'debug one URL',
  'TypeScript',
  'bundlers',
  'How much memory',
  'versions of Node.js',
  'stale answers',
  'tags',
  'health checks',
  'logged?',
  'cost',
  'Redis fails',
  'browsers',
  'sessions',
]

describe('docs/questions.md', () => {
  it.each(TOPICS)('has a question about %s', (topic) => {
    expect(answers.filter((answer) => /^\*\*.*\*\*/.exec(answer)?.[0].includes(topic))).not.toEqual([])
  })

  it('gives with each answer a link, a command or a name from the code', () => {
    expect(answers.filter((answer) => !/\]\(|`/.test(answer))).toEqual([])
  })
})
