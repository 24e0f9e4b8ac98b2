import { EventEmitter } from 'node:events'
import { OutgoingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

const outgoing = OutgoingMessage.prototype
const serverResponse = ServerResponse.prototype

/** Methods of Node.js messages and streams, as they were when this module was loaded. */
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

/** A string in the source of each Node.js method that a wrapper would not contain. */
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

/** Whether the methods are Node.js's own; false if a tracer loaded earlier has replaced them. */
export const hasMethodsOfNode: boolean = Object.entries(MARKS).every(([name, mark]) => {
  const method = METHODS_OF_NODE[name as keyof typeof METHODS_OF_NODE]
  return typeof method === 'function' && Function.prototype.toString.call(method).includes(mark)
})
