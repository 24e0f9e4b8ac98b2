import * as zlib from 'node:zlib'
import { pageOf } from '../page.js'
import type { Scenario } from '../scenario.js'
import { printTable, shown } from '../table.js'

const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = zlib.constants

/** Encoders by name; the types of the oldest Node.js know no zstd. */
function encoders(): readonly (readonly [name: string, encode: (body: Buffer) => Buffer])[] {
  const gzip = [6, 9].map((level) => [`gzip ${level}`, (body: Buffer) => zlib.gzipSync(body, { level })] as const)
  const brotli = [4, 5, 6, 9, 11].map((quality) => {
    const params = (body: Buffer) => ({ [BROTLI_PARAM_QUALITY]: quality, [BROTLI_PARAM_SIZE_HINT]: body.length })
    return [`br ${quality}`, (body: Buffer) => zlib.brotliCompressSync(body, { params: params(body) })] as const
  })
  const compress: unknown = Reflect.get(zlib, 'zstdCompressSync')
  const parameter: unknown = Reflect.get(zlib.constants, 'ZSTD_c_compressionLevel')
  if (typeof compress !== 'function' || typeof parameter !== 'number') return [...gzip, ...brotli]
  const zstd = [3, 6, 19].map((level) => {
    const options = { params: { [parameter]: level } }
    return [`zstd ${level}`, (body: Buffer): Buffer => compress(body, options)] as const
  })
  return [...gzip, ...brotli, ...zstd]
}

/** What the levels of the codings save, and what they take. */
export const codings: Scenario = {
  name: 'codings',
  about: 'what is left of a body in each coding, and the CPU time that it takes, in this process',
  async run({ isShort }) {
    const products = (count: number) =>
      JSON.stringify(
        Array.from({ length: count }, (_, id) => ({ ...pageOf(String(id), 90), price: (id * 7919) % 997 })),
      )
    const source =
      encoders.toString() +
      Object.values(zlib)
        .filter((one) => typeof one === 'function')
        .join('\n')
    const bodies = [
      ['JSON', products(600)],
      ['JavaScript', source],
      ...(isShort ? [] : [['much JSON', products(9000)] as const]),
    ] as const
    const rows = encoders().map(([name, encode]) => [
      name,
      ...bodies.map(([, text]) => {
        const body = Buffer.from(text)
        let length = 0
        const times = Array.from({ length: 3 }, () => {
          const before = process.cpuUsage()
          length = encode(body).length
          const { user, system } = process.cpuUsage(before)
          return (user + system) / 1000
        })
        return `${shown((100 * length) / body.length, 1)} %, ${shown(Math.min(...times), 1)} ms`
      }),
    ])
    const sizes = bodies.map(([what, text]) => `${what}, ${Math.round(text.length / 1024)} KB`)
    printTable(['coding', ...sizes], rows)
    return new Map()
  },
}
