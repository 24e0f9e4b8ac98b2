import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isUntold,
  matchesSelecting,
  parseVary,
  selectingFields,
  selectingValues,
  uniteVary,
  variantText,
} from '../../../src/http/rules/vary.js'
import type { Fields } from '../../../src/http/syntax/fields.js'

const matches = (
  name: string,
  one: string | readonly string[] | undefined,
  other: string | readonly string[] | undefined,
) => matchesSelecting([name], selectingValues([name], { [name]: one }), { [name]: other })

describe('parseVary', () => {
  it.each<[string, string | undefined, readonly string[] | '*']>([
    ['nothing for an absent field', undefined, []],
    ['nothing for an empty field', '', []],
    ['names in lower case, sorted, once', 'Foo, accept, FOO', ['accept', 'foo']],
    ['names without whitespace and empty members', ' a ,, b ,', ['a', 'b']],
    ['* alone', '*', '*'],
    ['* first', '*, foo', '*'],
    ['* last', 'foo, *', '*'],
    ['* twice', '*, *', '*'],
    ['* behind an empty member', ', *', '*'],
    ['* for what is no field name', 'foo bar', '*'],
  ])('RFC 9110, 12.5.5: reads %s', (_title, vary, expected) => {
    expect(parseVary(vary)).toEqual(expected)
  })
})

describe('selectingFields', () => {
  it.each<[string, Fields, readonly string[], boolean, readonly string[] | '*']>([
    ['takes Vary at its word', { vary: 'Origin, Accept-Encoding' }, [], false, ['accept-encoding', 'origin']],
    ['adds the names of the route', { vary: 'X-B' }, ['x-a', 'x-b'], false, ['x-a', 'x-b']],
    ['is * for any Vary of the route', { vary: 'X-A, *' }, ['x-a'], false, '*'],
    ['joins repeated lines', { vary: ['X-A', 'X-B'] }, [], true, ['x-a', 'x-b']],
  ])('%s', (_title, stored, routeVary, exact, expected) => {
    expect(selectingFields(stored, routeVary, exact)).toEqual(expected)
  })

  const allowed = { 'access-control-allow-origin': 'https://a' }
  it.each<[string, Fields, readonly string[], boolean, string, readonly string[] | '*']>([
    ['takes it at its word when exact', {}, [], true, 'Origin, Accept-Encoding', ['accept-encoding', 'origin']],
    ['leaves out Origin that had no say', {}, [], false, 'Origin, X-A', ['x-a']],
    ['keeps Origin that had a say', allowed, [], false, 'Origin', ['origin']],
    ['keeps Origin that the route names too', { vary: 'Origin' }, [], false, 'Origin', ['origin']],
    ['leaves out Accept-Encoding that had no say', {}, [], false, 'Accept-Encoding', []],
    [
      'keeps Accept-Encoding that had a say',
      { 'content-encoding': 'br' },
      [],
      false,
      'Accept-Encoding',
      ['accept-encoding'],
    ],
    ['keeps a name of the route that had no say', {}, ['origin'], false, 'Origin', ['origin']],
    ['is * for any Vary of the route', { vary: 'X-A' }, ['x-a'], false, '*', '*'],
  ])('of what outer middleware announces: %s', (_title, stored, routeVary, exact, outerVary, expected) => {
    expect(selectingFields(stored, routeVary, exact, outerVary)).toEqual(expected)
  })
})

describe('matchesSelecting', () => {
  it.each<[string, string, string | readonly string[] | undefined, string | readonly string[] | undefined, boolean]>([
    ['equal values', 'x-a', '1', '1', true],
    ['different values', 'x-a', '1', '2', false],
    ['absent with absent', 'x-a', undefined, undefined, true],
    ['absent never with present', 'x-a', undefined, '1', false],
    ['absent never with empty', 'x-a', undefined, '', false],
    ['present never with absent', 'x-a', '1', undefined, false],
    ['the order of unknown lists counts', 'x-a', '1, 2', '2, 1', false],
    ['case of unknown values counts', 'x-a', 'A', 'a', false],
    ['whitespace of unknown values does', 'x-a', '1,2', '1, 2', false],
    ['repeated lines are one list', 'x-a', ['1', '2'], '1, 2', true],
    ['the comma of a cookie is part of it', 'cookie', 'a=1,2', 'a=1, 2', false],
    ['the comma of a user agent is part of it', 'user-agent', 'X (a,b)', 'X (a, b)', false],
    ['spaces and tabs behind a comma do not', 'accept-language', 'en,de;q=0.5', 'en, \tde;q=0.5', true],
    ['spaces and tabs behind a comma do not', 'accept', 'a/b,*/*;q=0.8', 'a/b, */*;q=0.8', true],
    ['whitespace before a comma does', 'accept-language', 'en,de', 'en ,de', false],
    ['other white space does', 'accept-language', 'en,de', 'en,\u00a0de', false],
    ['whitespace between quotes does', 'accept', 'a/b;c="d,e"', 'a/b;c="d, e"', false],
    ['whitespace before a weight does', 'accept-language', 'en;q=0.9,de', 'en; q=0.9,de', false],
    ['a second weight does', 'accept-language', 'de,en;q=0.9', 'de;q=0.1;q=1,en;q=0.9', false],
    ['the spelling of a weight does', 'accept-language', 'en;q=0.5', 'en;q=.5', false],
    ['the letter of a weight does', 'accept-language', 'en;q=0.5', 'en;Q=0.5', false],
    ['the case of languages does', 'accept-language', 'en,de', 'eN,De', false],
    ['the order of weights does', 'accept-language', 'en,de;q=0.5', 'de;q=0.5,en', false],
    ['the order of equal languages does', 'accept-language', 'en,de', 'de,en', false],
    ['a weight of 0 does', 'accept-language', 'en,de;q=0', 'en', false],
    ['empty members do', 'accept-language', 'en,,de', 'en,de', false],
    ['parameters of media types do', 'accept', 'text/html;level=1', 'text/html;level=2', false],
    ['an empty preference is not an absent one', 'accept-encoding', '', undefined, false],
  ])('RFC 9111, 4.1: %s', (_title, name, one, other, expected) => {
    expect(matches(name, one, other)).toBe(expected)
    expect(matches(name, other, one)).toBe(expected)
  })

  it('RFC 9111, 4.1: needs every field to match', () => {
    const names = ['x-a', 'x-b']
    const values = selectingValues(names, { 'x-a': '1', 'x-b': '2' })
    expect(matchesSelecting(names, values, { 'x-a': '1', 'x-b': '2', 'x-c': '3' })).toBe(true)
    expect(matchesSelecting(names, values, { 'x-a': '1', 'x-b': '3' })).toBe(false)
    expect(matchesSelecting([], [], { 'x-a': '1' })).toBe(true)
  })

  it('takes no method of Object for a request field', () => {
    expect(selectingValues(['constructor', '__proto__'], {})).toEqual([null, null])
  })

  it('makes two requests match exactly when their variant text is the same', () => {
    const names = ['accept-language', 'x-a']
    const language = fc.constantFrom(
      'en',
      'de',
      'en, de',
      'en,de',
      'de,en',
      'en;q=0.5',
      '',
      'en;q=x',
      ',',
      '"',
      'en;q=0.5;x',
    )
    const request = fc
      .record({ 'accept-language': fc.option(language), 'x-a': fc.option(fc.string()) })
      .map((fields) => {
        return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as Fields
      })
    fc.assert(
      fc.property(request, request, (one, other) => {
        const values = selectingValues(names, one)
        const same = variantText(names, values) === variantText(names, selectingValues(names, other))
        expect(matchesSelecting(names, values, other)).toBe(same)
        expect(matchesSelecting(names, values, one)).toBe(true)
      }),
    )
  })
})

describe('inputs of middleware in front, and single cookies', () => {
  const filling = { filled: (input: string) => ({ 'req:tenant': 'a', 'state:lang': null })[input] }

  it('are untold if one of them cannot be said as text', () => {
    expect(isUntold(['req:tenant', 'state:lang', 'accept'], filling)).toBe(false)
    expect(isUntold(['accept', 'req:tenant', 'req:object'], filling)).toBe(true)
    expect(isUntold(['accept', 'cookie:theme'], filling)).toBe(false)
    expect(isUntold(['req:tenant'], {})).toBe(true)
    expect(isUntold([], {})).toBe(false)
  })

  it('select by their values, and match nothing if they cannot be said', () => {
    const names = ['cookie:theme', 'req:object', 'req:tenant', 'state:lang']
    const request = { cookie: 'a=1; theme=dark' }
    expect(selectingValues(names, request, filling)).toEqual(['theme=dark', null, 'a', null])
    expect(matchesSelecting(['cookie:theme', 'req:tenant'], ['theme=dark', 'a'], request, filling)).toBe(true)
    expect(matchesSelecting(['cookie:theme'], ['theme=light'], request, filling)).toBe(false)
    expect(matchesSelecting(['req:object'], [null], request, filling)).toBe(false)
    expect(matchesSelecting(['req:tenant'], ['a'], request)).toBe(false)
    expect(matchesSelecting(['req:tenant'], ['a'], request, {})).toBe(false)
  })
})

describe('uniteVary', () => {
  it.each([
    [undefined, undefined, undefined],
    ['Origin', undefined, 'Origin'],
    [undefined, 'Origin', 'Origin'],
    ['Origin', 'Accept-Encoding', 'Origin, Accept-Encoding'],
    ['Origin, accept', 'Accept, origin', 'Origin, accept'],
    ['Origin', '*', '*'],
  ])('%j and %j make %j', (one, other, expected) => {
    expect(uniteVary(one, other)).toBe(expected)
  })
})
