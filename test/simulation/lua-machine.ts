import fengari from 'fengari'
import { ErrorReply, type Reply, Status } from './keyspace.js'

const { lua, lauxlib, lualib, to_luastring: luaText } = fengari

/** How a script reaches the server that runs it. */
export type Call = (command: readonly Buffer[]) => Reply

/**
 * Runs the Lua scripts of the library as Redis does. One machine for all servers, so that a script is compiled once.
 *
 * The machine speaks Lua 5.3 with integers of 32 bits, Redis 5.1 with doubles: here `tonumber` always gives a double.
 */
class LuaMachine {
  readonly #state = lauxlib.luaL_newstate()
  readonly #compiled = new Map<string, number>()
  #call: Call = () => null

  constructor() {
    const state = this.#state
    lualib.luaL_openlibs(state)
    lauxlib.luaL_dostring(state, luaText(asDoubles))
    lua.lua_createtable(state, 0, 2)
    lua.lua_pushcfunction(state, () => this.#answer(true))
    lua.lua_setfield(state, -2, luaText('call'))
    lua.lua_pushcfunction(state, () => this.#answer(false))
    lua.lua_setfield(state, -2, luaText('pcall'))
    lua.lua_setglobal(state, luaText('redis'))
  }

  /** @throws ErrorReply */
  run(source: string, keys: readonly Buffer[], args: readonly Buffer[], call: Call): Reply {
    const state = this.#state
    this.#call = call
    this.#setList('KEYS', keys)
    this.#setList('ARGV', args)
    lua.lua_rawgeti(state, lua.LUA_REGISTRYINDEX, this.#compile(source))
    const status = lua.lua_pcall(state, 0, 1, 0)
    const reply = status === 0 ? this.#reply(-1) : new ErrorReply(this.#text(-1).toString())
    lua.lua_settop(state, 0)
    if (reply instanceof ErrorReply) throw reply
    return reply
  }

  #compile(source: string): number {
    const known = this.#compiled.get(source)
    if (known !== undefined) return known
    if (lauxlib.luaL_loadstring(this.#state, luaText(source)) !== 0) throw new ErrorReply(`ERR ${this.#text(-1)}`)
    const compiled = lauxlib.luaL_ref(this.#state, lua.LUA_REGISTRYINDEX)
    this.#compiled.set(source, compiled)
    return compiled
  }

  #setList(name: string, items: readonly Buffer[]): void {
    lua.lua_createtable(this.#state, items.length, 0)
    items.forEach((item, index) => {
      lua.lua_pushstring(this.#state, item)
      lua.lua_rawseti(this.#state, -2, index + 1)
    })
    lua.lua_setglobal(this.#state, luaText(name))
  }

  #answer(raises: boolean): number {
    const state = this.#state
    const command: Buffer[] = []
    for (let index = 1; index <= lua.lua_gettop(state); index++) command.push(this.#text(index))
    try {
      this.#push(this.#call(command))
      return 1
    } catch (error) {
      const message = error instanceof ErrorReply ? error.message : `ERR ${String(error)}`
      if (raises) {
        lua.lua_pushstring(state, luaText(message))
        return lua.lua_error(state)
      }
      this.#pushNamed('err', message)
      return 1
    }
  }

  #push(reply: Reply): void {
    const state = this.#state
    if (reply === null) lua.lua_pushboolean(state, false)
    else if (typeof reply === 'number') lua.lua_pushnumber(state, reply)
    else if (Buffer.isBuffer(reply)) lua.lua_pushstring(state, reply)
    else if (reply instanceof Status) this.#pushNamed('ok', reply.text)
    else {
      lua.lua_createtable(state, reply.length, 0)
      reply.forEach((item, index) => {
        this.#push(item)
        lua.lua_rawseti(state, -2, index + 1)
      })
    }
  }

  #pushNamed(name: string, value: string): void {
    lua.lua_createtable(this.#state, 0, 1)
    lua.lua_pushstring(this.#state, luaText(value))
    lua.lua_setfield(this.#state, -2, luaText(name))
  }

  #reply(index: number): Reply | ErrorReply {
    const state = this.#state
    switch (lua.lua_type(state, index)) {
      case lua.LUA_TSTRING:
        return this.#text(index)
      case lua.LUA_TNUMBER:
        return Math.trunc(lua.lua_tonumber(state, index))
      case lua.LUA_TBOOLEAN:
        return lua.lua_toboolean(state, index) ? 1 : null
      case lua.LUA_TTABLE:
        return this.#table()
      default:
        return null
    }
  }

  /** The table on top: an error, a status, or the items up to the first nil. */
  #table(): Reply | ErrorReply {
    const state = this.#state
    for (const name of ['err', 'ok']) {
      const type = lua.lua_getfield(state, -1, luaText(name))
      const value = type === lua.LUA_TSTRING ? this.#text(-1).toString() : undefined
      lua.lua_pop(state, 1)
      if (value !== undefined) return name === 'err' ? new ErrorReply(value) : new Status(value)
    }
    const items: Reply[] = []
    for (let at = 1; ; at++) {
      const type = lua.lua_rawgeti(state, -1, at)
      const item = type === lua.LUA_TNIL ? undefined : this.#reply(-1)
      lua.lua_pop(state, 1)
      if (item === undefined || item instanceof ErrorReply) return items
      items.push(item)
    }
  }

  #text(index: number): Buffer {
    if (lua.lua_type(this.#state, index) === lua.LUA_TNUMBER) {
      return Buffer.from(String(lua.lua_tonumber(this.#state, index)))
    }
    return Buffer.from(lua.lua_tostring(this.#state, index))
  }
}

const asDoubles = `
local parse = tonumber
tonumber = function(value, base)
  local number = parse(value, base)
  return number and number * 1.0
end
`

export const luaMachine = new LuaMachine()
