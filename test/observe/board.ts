import { readFileSync } from 'node:fs'

/** The part of the board for Grafana that the tests read. */
export interface Board {
  readonly panels: readonly {
    readonly id: number
    readonly title: string
    readonly description: string
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    readonly targets: readonly { readonly expr: string }[]
  }[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
}

/** examples/monitoring/grafana.json. */
export const board = JSON.parse(readFileSync('examples/monitoring/grafana.json', 'utf8')) as Board

/** The queries of all panels. */
export const boardQueries: readonly (readonly [panel: string, query: string])[] = board.panels.flatMap(
  ({ title, targets }) => targets.map(({ expr }) => [title, expr] as const),
)

/** The metric and the label whose values a variable of the board lists. */
export function listedBy(definition: string): { readonly metric: string; readonly label: string } {
  const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? []
  return { metric, label }
}
