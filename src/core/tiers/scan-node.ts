import type { ScanPage } from './redis-client.js'

/**
 * Reads one page of the keys of several nodes, which are read one after the other.
 *
 * @param cursor - `<number of the node>-<cursor of Redis>`; `undefined` to begin
 * @param scan - sends SCAN to a node
 */
export async function scanNode<Node>(
  nodes: readonly Node[],
  cursor: string | undefined,
  scan: (node: Node, cursor: string) => Promise<unknown>,
): Promise<ScanPage> {
  const [, index = '0', at = '0'] = /^(\d+)-(\d+)$/.exec(cursor ?? '0-0') ?? []
  const number = Number(index)
  const node = nodes[number]
  if (node === undefined) return { keys: [], cursor: undefined }
  const [next, keys] = list(await scan(node, at))
  const isNodeDone = String(next ?? '0') === '0'
  const isDone = isNodeDone && number + 1 >= nodes.length
  return {
    keys: list(keys).map(String),
    cursor: isDone ? undefined : isNodeDone ? `${number + 1}-0` : `${number}-${String(next)}`,
  }
}

function list(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : []
}
