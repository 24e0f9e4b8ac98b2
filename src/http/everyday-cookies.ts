/** placeholder */
export function isEverydayCookie(_name: string): boolean {
  return false
}
