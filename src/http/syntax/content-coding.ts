import { promisify } from 'node:util'
import { type BrotliOptions, brotliCompress, constants, gzip, type InputType, type ZlibOptions } from 'node:zlib'

/** The content codings that stored bodies can be compressed with (RFC 9110, section 8.4.1; RFC 7932; RFC 8878). */
export const CONTENT_CODINGS = ['br', 'gzip', 'zstd'] as const

/** See {@link CONTENT_CODINGS}. */
export type ContentCoding = (typeof CONTENT_CODINGS)[number]

/** Whether this package and this Node.js version support a coding: zstd requires Node.js 22.15 or 23.8. */
export function isSupported(coding: string): coding is ContentCoding {
  return ENCODERS.has(coding)
}

/** Compresses a body in libuv's thread pool. Deterministic for the same body and Node.js version. */
export async function encode(coding: ContentCoding, body: Buffer): Promise<Buffer> {
  const encoder = ENCODERS.get(coding)
  if (encoder === undefined) throw new TypeError(`this Node.js has no ${coding}`)
  return encoder(body)
}

type Encoder = (body: Buffer) => Promise<Buffer>

const ENCODERS: ReadonlyMap<string, Encoder> = new Map([
  ['br', brotliEncoder()],
  ['gzip', gzipEncoder()],
  ...zstdEncoder(),
])

// Levels: within a few percent of the size of the higher levels, in a tenth of their time (docs/precompress.md).

function brotliEncoder(): Encoder {
  const compress = promisify<InputType, BrotliOptions, Buffer>(brotliCompress)
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = constants
  return (body) => compress(body, { params: { [BROTLI_PARAM_QUALITY]: 5, [BROTLI_PARAM_SIZE_HINT]: body.length } })
}

function gzipEncoder(): Encoder {
  const compress = promisify<InputType, ZlibOptions, Buffer>(gzip)
  return (body) => compress(body, { level: 6 })
}

function zstdEncoder(): readonly (readonly [string, Encoder])[] {
  // Not an import: older Node.js versions lack the export, and a namespace import needs a helper in CommonJS.
  const zstdCompress: unknown = Reflect.get(process.getBuiltinModule('node:zlib'), 'zstdCompress')
  const level: unknown = Reflect.get(constants, 'ZSTD_c_compressionLevel')
  if (typeof zstdCompress !== 'function' || typeof level !== 'number') return []
  const compress = promisify(zstdCompress as typeof brotliCompress)
  const params = { params: { [level]: 6 } }
  return [['zstd', (body) => (compress as (body: Buffer, options: object) => Promise<Buffer>)(body, params)]]
}
