import * as zlib from 'node:zlib'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { isSupported } from '../../../src/http/syntax/content-coding.js'
import { encode } from '../../../src/http/syntax/encode.js'

const body = Buffer.from('A text that is said twice. A text that is said twice.'.repeat(50))
const hasZstd = 'zstdCompress' in zlib

describe('encode', () => {
  it('makes what clients decode to the same bytes, and the same each time', async () => {
    const decoders = { br: brotliDecompressSync, gzip: gunzipSync }
    for (const coding of ['br', 'gzip'] as const) {
      const encoded = await encode(coding, body)
      expect(encoded.length).toBeLessThan(body.length / 4)
      expect(decoders[coding](encoded).equals(body)).toBe(true)
      expect((await encode(coding, body)).equals(encoded)).toBe(true)
    }
  })

  it.runIf(hasZstd)('knows zstd where Node.js does', async () => {
    const decode = Reflect.get(zlib, 'zstdDecompressSync') as (bytes: Buffer) => Buffer
    expect(isSupported('zstd')).toBe(true)
    expect(decode(await encode('zstd', body)).equals(body)).toBe(true)
  })

  it.skipIf(hasZstd)('has no zstd where Node.js has none', async () => {
    expect(isSupported('zstd')).toBe(false)
    await expect(encode('zstd', body)).rejects.toThrow('this Node.js has no zstd')
  })
})

describe('isSupported', () => {
  it('says yes to what every Node.js has, and to zstd where it has that', () => {
    expect(['br', 'gzip', 'zstd'].map(isSupported)).toEqual([true, true, hasZstd])
  })

  it('says no to what is none of ours', () => {
    expect(['deflate', 'identity', '', 'constructor'].map(isSupported)).toEqual([false, false, false, false])
  })
})
