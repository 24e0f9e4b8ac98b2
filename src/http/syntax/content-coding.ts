import { promisify } from 'node:util'
import { type BrotliOptions, brotliCompress, constants, gzip, type InputType, type ZlibOptions } from 'node:zlib'

/** The content codings that stored bodies can be encoded with (RFC 9110, section 8.4.1; RFC 7932; RFC 8878). */
export const CONTENT_CODINGS = ['br', 'gzip', 'zstd'] as const

/** See {@link CONTENT_CODINGS}. */
export type ContentCoding = (typeof CONTENT_CODINGS)[number]

/** Whether a coding is one of ours, and this version of Node.js has it: zstd came with 22.15 and 23.8. */
export function isSupported(coding: string): coding is ContentCoding {
  return ENCODERS.has(coding)
}

/** A body in a content coding, made on the threads of libuv. The same bytes for the same body and the same Node.js. */
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

// The levels: as good as those above them within a few percent, for a tenth of their time (docs/precompress.md).

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
  // Not an import: what the oldest Node.js does not have would be an error there, and a namespace needs a helper in CommonJS.
  const zstdCompress: unknown = Reflect.get(process.getBuiltinModule('node:zlib'), 'zstdCompress')
  const level: unknown = Reflect.get(constants, 'ZSTD_c_compressionLevel')
  if (typeof zstdCompress !== 'function' || typeof level !== 'number') return []
  const compress = promisify(zstdCompress as typeof brotliCompress)
  const params = { params: { [level]: 6 } }
  return [['zstd', (body) => (compress as (body: Buffer, options: object) => Promise<Buffer>)(body, params)]]
}
