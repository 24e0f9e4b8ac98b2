/**
 * The methods of a further watch of a response that has one already. Those that all responses share find the watch of a
 * response on the response itself; these have it with them.
 *
 * @param place - the property under which a response stores its watch
 */
export function methodsWith<Methods extends object>(shared: Methods, place: symbol, watch: object): Methods {
  const holder = { [place]: watch }
  const methods = Object.entries(shared) as [string, () => unknown][]
  return Object.fromEntries(methods.map(([name, method]) => [name, method.bind(holder)])) as Methods
}
