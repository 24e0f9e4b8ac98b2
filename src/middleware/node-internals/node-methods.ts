import { EventEmitter } from 'node:events'
import { OutgoingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

const outgoing = OutgoingMessage.prototype
const serverResponse = ServerResponse.prototype

/** The methods of all messages, as they were when this was loaded. */
export const METHODS_OF_NODE = {
  end: outgoing.end,
  write: outgoing.write,
  setHeader: outgoing.setHeader,
  send: Reflect.get(outgoing, '_send') as unknown,
  writeHead: serverResponse.writeHead,
  implicitHeader: Reflect.get(serverResponse, '_implicitHeader') as unknown,
  emit: EventEmitter.prototype.emit,
  push: Readable.prototype.push,
} as const

/** What node's own code of each has in it, and what wraps it has not. */
const MARKS: Readonly<Record<keyof typeof METHODS_OF_NODE, string>> = {
  end: '_contentLength',
  write: 'write_(',
  setHeader: 'kOutHeaders',
  send: '_headerSent',
  writeHead: 'kOutHeaders',
  implicitHeader: 'this.writeHead(this.statusCode)',
  emit: 'kErrorMonitor',
  push: '_readableState',
}

/** Whether they are node's own: a tracer that was loaded before has replaced them for everybody. */
export const hasMethodsOfNode: boolean = Object.entries(MARKS).every(([name, mark]) => {
  const method = METHODS_OF_NODE[name as keyof typeof METHODS_OF_NODE]
  return typeof method === 'function' && Function.prototype.toString.call(method).includes(mark)
})
