import { simulate } from './simulation.js'
const from = Number(process.env.SEED ?? 1), n = Number(process.env.SEED ? 1 : process.env.SEEDS ?? 200)
const t = performance.now(); const tot: Record<string, number> = {}; let bad = 0
const by: Record<string, number[]> = {}
for (let s = from; s < from + n; s++) {
  const lines: string[] = []
  const o = await simulate(s, process.env.SEED ? { trace: (l) => lines.push(l) } : {})
  for (const [k, v] of Object.entries(o.counts)) tot[k] = (tot[k] ?? 0) + v
  if (o.violations.length) { bad++; const v = o.violations[0]!; (by[v.promise] ??= []).push(s); if (bad < 12 || process.env.SEED) console.log(s, v.promise, v.at.toFixed(1), v.text) }
  if (process.env.SEED) console.log(lines.slice(-Number(process.env.LINES ?? 120)).join('\n'))
}
console.log(bad, 'of', n, (performance.now() - t) / n, 'ms/seed', JSON.stringify(tot)); for (const k in by) console.log(k, by[k]!.length, by[k]!.slice(0, 15).join(' '))
