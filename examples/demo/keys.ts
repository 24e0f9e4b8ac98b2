import { emitKeypressEvents, type Key } from 'node:readline'
import type { Action, Demo } from './demo.js'

const ACTIONS: Readonly<Record<string, Action>> = { k: 'kill', r: 'restart', w: 'write', l: 'load', c: 'clear' }

/** What the keys do, for the terminal. */
export const KEYS_HELP =
  'k kill · f freeze/resume · r restart empty · w write a record · l load on/off · c clear · q quit'

/** The buttons of the page as keys, when a person sits at the terminal; what happens is printed line by line. */
export function listenForKeys(demo: Demo, quit: () => void): void {
  demo.on('note', (note) => console.log(`  ${new Date(note.at).toTimeString().slice(0, 8)}  ${note.text}`))
  if (!process.stdin.isTTY) return
  emitKeypressEvents(process.stdin)
  process.stdin.setRawMode(true)
  process.stdin.resume()
  process.stdin.on('keypress', (typed: string | undefined, key: Key) => {
    if (typed === 'q' || (key.ctrl && key.name === 'c')) quit()
    const action = typed === 'f' ? (demo.state.redis === 'frozen' ? 'resume' : 'freeze') : ACTIONS[typed ?? '']
    if (action !== undefined) demo.do(action).catch((error) => console.error(String(error)))
  })
}
