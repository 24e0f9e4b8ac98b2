import { promisify } from 'node:util'
import type { BrotliOptions, InputType, ZlibOptions } from 'node:zlib'
import type { ContentCoding } from './content-coding.js'

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
