/**
 * Whether code finds a property of this name on every object, or looks for it on objects of all kinds: methods, and
 * what serializers ask for. Reads of such a name do not tell which entry of a record the code wants.
 */
export function isNameOfObjects(name: string): boolean {
  return name in OBJECT || ASKED_OF_ALL.has(name)
}

const OBJECT: object = Object.prototype

const ASKED_OF_ALL: ReadonlySet<string> = new Set([
  'toJSON',
  'then',
  'nodeType',
  '$$typeof',
  'asymmetricMatch',
  '@@__IMMUTABLE_ITERABLE__@@',
])
