import { promisify } from 'node:util'
import type { BrotliOptions, InputType, ZlibOptions } from 'node:zlib'

/** The content codings that stored bodies can be compressed with (RFC 9110, section 8.4.1; RFC 7932; RFC 8878). */
export const CONTENT_CODINGS = ['br', 'gzip', 'zstd'] as const

/** See {@link CONTENT_CODINGS}. */
export type ContentCoding = (typeof CONTENT_CODINGS)[number]

/** Whether this package and this Node.js version support a coding: zstd requires Node.js 22.15 or 23.8. */
export function isSupported(coding: string): coding is ContentCoding {
  return encoders().has(coding)
}

/** Compresses a body in libuv's thread pool. Deterministic for the same body and Node.js version. */
export async function encode(coding: ContentCoding, body: Buffer): Promise<Buffer> {
  const encoder = encoders().get(coding)
  if (encoder === undefined) throw new TypeError(`this Node.js has no ${coding}`)
  return encoder(body)
}

type Encoder = (body: Buffer) => Promise<Buffer>
type Zlib = typeof import('node:zlib')

let made: ReadonlyMap<string, Encoder> | undefined

function encoders(): ReadonlyMap<string, Encoder> {
  // Not an import, which would load it for every user.
  made ??= newEncoders(process.getBuiltinModule('node:zlib'))
  return made
}

function newEncoders(zlib: Zlib): ReadonlyMap<string, Encoder> {
  return new Map([['br', brotliEncoder(zlib)], ['gzip', gzipEncoder(zlib)], ...zstdEncoder(zlib)])
}

// Levels: within a few percent of the size of the higher levels, in a tenth of their time (docs/precompress.md).

function brotliEncoder({ brotliCompress, constants }: Zlib): Encoder {
  const compress = promisify<InputType, BrotliOptions, Buffer>(brotliCompress)
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = constants
  return (body) => compress(body, { params: { [BROTLI_PARAM_QUALITY]: 5, [BROTLI_PARAM_SIZE_HINT]: body.length } })
}

function gzipEncoder({ gzip }: Zlib): Encoder {
  const compress = promisify<InputType, ZlibOptions, Buffer>(gzip)
  return (body) => compress(body, { level: 6 })
}

function zstdEncoder(zlib: Zlib): readonly (readonly [string, Encoder])[] {
  // Older Node.js versions lack both.
  const zstdCompress: unknown = Reflect.get(zlib, 'zstdCompress')
  const level: unknown = Reflect.get(zlib.constants, 'ZSTD_c_compressionLevel')
  if (typeof zstdCompress !== 'function' || typeof level !== 'number') return []
  const compress = promisify(zstdCompress as Zlib['brotliCompress'])
  const params = { params: { [level]: 6 } }
  return [['zstd', (body) => (compress as (body: Buffer, options: object) => Promise<Buffer>)(body, params)]]
}
