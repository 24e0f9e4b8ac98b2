declare module 'cookie-parser' {
  import type { RequestHandler } from 'express'

  const cookieParser: (secret?: string) => RequestHandler
  export = cookieParser
}

declare module 'cookie-session' {
  import type { RequestHandler } from 'express'

  const cookieSession: (options: { name?: string; secret: string }) => RequestHandler
  export = cookieSession
}
