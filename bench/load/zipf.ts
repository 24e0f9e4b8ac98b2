/** Skewed as real traffic is: the page at place n is asked for in proportion to 1/n. Always the same pages in the same order. */
export function zipf(keys: number, requests: number): readonly string[] {
  const upTo: number[] = []
  let sum = 0
  for (let key = 1; key <= keys; key++) {
    sum += 1 / key
    upTo.push(sum)
  }
  let state = 1
  return Array.from({ length: requests }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const point = (state / 2 ** 32) * sum
    let low = 0
    let high = keys - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((upTo[middle] ?? 0) < point) low = middle + 1
      else high = middle
    }
    return `/page/${low}`
  })
}
