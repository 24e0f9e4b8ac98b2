/** The part of fengari, a Lua machine in JavaScript, that runs the scripts here. It comes without declarations. */
declare module 'fengari' {
  type State = { readonly machine: unique symbol }
  type LuaString = Uint8Array

  const fengari: {
    readonly lua: {
      readonly LUA_REGISTRYINDEX: number
      readonly LUA_TNIL: number
      readonly LUA_TBOOLEAN: number
      readonly LUA_TNUMBER: number
      readonly LUA_TSTRING: number
      readonly LUA_TTABLE: number
      lua_createtable(state: State, items: number, names: number): void
      lua_error(state: State): number
      lua_getfield(state: State, index: number, name: LuaString): number
      lua_gettop(state: State): number
      lua_pcall(state: State, args: number, results: number, handler: number): number
      lua_pop(state: State, count: number): void
      lua_pushboolean(state: State, value: boolean): void
      lua_pushcfunction(state: State, run: (state: State) => number): void
      lua_pushnumber(state: State, value: number): void
      lua_pushstring(state: State, value: LuaString): void
      lua_rawgeti(state: State, index: number, at: number): number
      lua_rawseti(state: State, index: number, at: number): void
      lua_setfield(state: State, index: number, name: LuaString): void
      lua_setglobal(state: State, name: LuaString): void
      lua_settop(state: State, index: number): void
      lua_toboolean(state: State, index: number): boolean
      lua_tonumber(state: State, index: number): number
      lua_tostring(state: State, index: number): LuaString
      lua_type(state: State, index: number): number
    }
    readonly lauxlib: {
      luaL_dostring(state: State, source: LuaString): boolean
      luaL_loadstring(state: State, source: LuaString): number
      luaL_newstate(): State
      luaL_ref(state: State, table: number): number
    }
    readonly lualib: { luaL_openlibs(state: State): void }
    to_luastring(text: string): LuaString
  }
  export = fengari
}
