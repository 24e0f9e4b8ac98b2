import { describe, expect, it } from 'vitest'
import {
  cacheGroups,
  GroupTags,
  groupTag,
  invalidatedGroups,
  isGroupTag,
  responseTags,
} from '../../../src/http/rules/groups.js'
import type { Fields } from '../../../src/http/syntax/fields.js'

describe('cacheGroups', () => {
  it.each<[string, Fields, readonly string[]]>([
    ['reads a List of Strings', { 'cache-groups': '"scripts", "a b"' }, ['scripts', 'a b']],
    ['is case-sensitive', { 'cache-groups': '"a", "A"' }, ['a', 'A']],
    ['ignores parameters', { 'cache-groups': '"a";x=1' }, ['a']],
    ['joins repeated lines', { 'cache-groups': ['"a"', '"b"'] }, ['a', 'b']],
    ['names each group once', { 'cache-groups': '"a", "a"' }, ['a']],
    ['ignores a list with a Token', { 'cache-groups': '"a", b' }, []],
    ['ignores a malformed list', { 'cache-groups': '"a", ' }, []],
    ['is empty without the field', {}, []],
  ])('RFC 9875, 2: %s', (_title, fields, expected) => {
    expect(cacheGroups(fields)).toEqual(expected)
  })

  it('RFC 9875, 2: reads 32 groups of 32 characters and more', () => {
    const groups = Array.from({ length: 64 }, (_, index) => `${index}`.padStart(64, 'g'))
    expect(cacheGroups({ 'cache-groups': groups.map((group) => `"${group}"`).join(', ') })).toEqual(groups)
  })
})

describe('invalidatedGroups', () => {
  const fields = { 'cache-group-invalidation': '"eurovision-results", "australia"' }
  it.each<[string, string, number, readonly string[]]>([
    ['names the groups of an answer to POST', 'POST', 200, ['eurovision-results', 'australia']],
    ['counts for an unknown method', 'FROB', 204, ['eurovision-results', 'australia']],
    ['must be ignored for GET', 'GET', 200, []],
    ['must be ignored for HEAD', 'HEAD', 200, []],
    ['must be ignored for OPTIONS', 'OPTIONS', 200, []],
    ['must be ignored for QUERY', 'QUERY', 200, []],
    ['does not count for an error', 'POST', 500, []],
  ])('RFC 9875, 3: %s', (_title, method, status, expected) => {
    expect(invalidatedGroups(method, status, fields)).toEqual(expected)
  })
})

describe('responseTags', () => {
  it('RFC 9875, 2.1: makes a tag of its own for each origin, and one by the plain name', () => {
    const tags = responseTags({ 'cache-groups': '"a"', 'cache-tag': 'p:1, p:2,,a' }, 'https://example.com')
    expect(tags).toEqual(['p:1', 'p:2', 'a', 'https://example.com a'])
    expect(groupTag('https://example.com', 'a')).not.toBe(groupTag('https://example.org', 'a'))
  })

  it('reads Cache-Tag and Cache-Groups, each without the other', () => {
    expect(responseTags({ 'cache-tag': 'p:1' }, 'https://example.com')).toEqual(['p:1'])
    expect(responseTags({ 'cache-groups': '"a"' }, 'https://example.com')).toEqual(['a', 'https://example.com a'])
  })

  it('is empty for a response without tags', () => {
    expect(responseTags({}, 'https://example.com')).toEqual([])
  })
})

describe('isGroupTag', () => {
  it.each([
    [groupTag('https://example.com', 'a'), true],
    [groupTag('http://example.com:8080', 'a b'), true],
    [groupTag('https://example.com', ''), true],
    ['a', false],
    ['https://example.com', false],
    ['see https://example.com a', false],
    ['ftp://example.com a', false],
  ])('of %j is %s', (tag, expected) => {
    expect(isGroupTag(tag)).toBe(expected)
  })
})

describe('GroupTags', () => {
  it('does not count an origin that invalidates no group', () => {
    const tags = new GroupTags()
    for (let at = 0; at < 1_000; at++) expect(tags.of(`https://h${at}.example`, [])).toEqual([])
    expect(tags.of('https://a.example', ['a'])).toEqual(['https://a.example a'])
  })

  it('makes tags of their own for as many origins as a site has, and by the plain names for more', () => {
    const tags = new GroupTags()
    expect(tags.of('https://a.example', ['a', 'b'])).toEqual(['https://a.example a', 'https://a.example b'])
    const all = new Set<string>()
    for (let at = 0; at < 1_000; at++) for (const tag of tags.of(`https://h${at}.example`, ['a'])) all.add(tag)
    expect([...all].filter((tag) => tag !== 'a')).toHaveLength(63)
    expect(tags.of('https://a.example', ['c'])).toEqual(['https://a.example c'])
    // What the plain name covers, responses of every origin carry.
    expect(responseTags({ 'cache-groups': '"a"' }, 'https://h999.example')).toContain('a')
  })
})
