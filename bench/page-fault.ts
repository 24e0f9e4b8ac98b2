const pageSize = 4096
const pages = 16_384

/**
 * Microseconds of processor time for each page that the kernel gives a process when it first writes to it. A quarter of one on bare metal, more
 * than ten on some virtual machines: there, all that stores something in fresh memory looks dear.
 */
export function costOfPageFault(): number {
  const memory = Buffer.allocUnsafeSlow(pages * pageSize)
  const { minorPageFault } = process.resourceUsage()
  const before = process.cpuUsage()
  for (let at = 0; at < memory.length; at += pageSize) memory[at] = 1
  const { user, system } = process.cpuUsage(before)
  return (user + system) / Math.max(1, process.resourceUsage().minorPageFault - minorPageFault)
}
