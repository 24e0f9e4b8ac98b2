/** The content codings that stored bodies can be compressed with (RFC 9110, section 8.4.1; RFC 7932; RFC 8878). */
export const CONTENT_CODINGS = ['br', 'gzip', 'zstd'] as const

/** See {@link CONTENT_CODINGS}. */
export type ContentCoding = (typeof CONTENT_CODINGS)[number]

/** Whether this package and this Node.js version support a coding: zstd requires Node.js 22.15 or 23.8. */
export function isSupported(coding: string): coding is ContentCoding {
  // Not an import, which would load it for every user.
  return (
    coding === 'br' ||
    coding === 'gzip' ||
    (coding === 'zstd' && 'zstdCompress' in process.getBuiltinModule('node:zlib'))
  )
}
