import { ErrorReply, type Reply, Status } from './keyspace.js'
import { compile } from './lua-compiler.js'
import { globals, type LuaValue, library, Table, tableOf } from './lua-library.js'

/** How a script reaches the server that runs it. */
export type Call = (command: readonly Buffer[]) => Reply

type Script = (global: (name: string) => LuaValue) => LuaValue

/**
 * Runs the Lua scripts of the library as Redis does, as JavaScript: thousands of runs of the simulation are most of all runs of
 * scripts. `fake-redis.test.ts` compares it with a real server. One machine for all servers, so that a script is compiled once.
 */
class LuaMachine {
  readonly #compiled = new Map<string, Script>()
  readonly #redis = tableOf({
    call: (...command) => this.#answer(command),
    pcall: (...command) => {
      try {
        return this.#answer(command)
      } catch (error) {
        if (error instanceof ErrorReply) return named('err', error.message)
        throw error
      }
    },
  })
  #call: Call = () => null

  /** @throws ErrorReply */
  run(source: string, keys: readonly Buffer[], args: readonly Buffer[], call: Call): Reply {
    this.#call = call
    const own: Readonly<Record<string, LuaValue>> = {
      KEYS: new Table(keys.map(textOf)),
      ARGV: new Table(args.map(textOf)),
      redis: this.#redis,
    }
    return replyOf(this.#scriptOf(source)((name) => own[name] ?? globals[name]))
  }

  #scriptOf(source: string): Script {
    const known = this.#compiled.get(source)
    if (known !== undefined) return known
    const made = new Function('L', 'L_is', 'L_table', 'G', compile(source))
    const script: Script = (global) => made(library, isTrue, tableWith, global) as LuaValue
    this.#compiled.set(source, script)
    return script
  }

  #answer(command: readonly LuaValue[]): LuaValue {
    return luaValueOf(
      this.#call(
        command.map((word) => {
          if (typeof word === 'string') return Buffer.from(word, 'latin1')
          if (typeof word === 'number') return Buffer.from(String(word))
          throw new ErrorReply('ERR Lua redis lib command arguments must be strings or integers')
        }),
      ),
    )
  }
}

function isTrue(value: LuaValue): boolean {
  return value !== undefined && value !== false
}

function tableWith(list: LuaValue[], fields: readonly (readonly [string, LuaValue])[]): Table {
  const table = new Table(list)
  for (const [name, value] of fields) table.fields.set(name, value)
  return table
}

function named(name: string, text: string): Table {
  return tableWith([], [[name, text]])
}

function textOf(bytes: Buffer): string {
  return bytes.toString('latin1')
}

function luaValueOf(reply: Reply): LuaValue {
  if (reply === null) return false
  if (typeof reply === 'number') return reply
  if (Buffer.isBuffer(reply)) return textOf(reply)
  if (reply instanceof Status) return named('ok', reply.text)
  return new Table(reply.map(luaValueOf))
}

/** @throws ErrorReply when the script gives one */
function replyOf(value: LuaValue): Reply {
  if (typeof value === 'string') return Buffer.from(value, 'latin1')
  if (typeof value === 'number') return Math.trunc(value)
  if (value === true) return 1
  if (!(value instanceof Table)) return null
  const error = value.fields.get('err')
  if (typeof error === 'string') throw new ErrorReply(error)
  const status = value.fields.get('ok')
  if (typeof status === 'string') return new Status(status)
  const end = value.list.indexOf(undefined)
  return (end < 0 ? value.list : value.list.slice(0, end)).map(replyOf)
}

export const luaMachine = new LuaMachine()
