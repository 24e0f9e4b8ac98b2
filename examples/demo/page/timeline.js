const LEFT = 58
const RIGHT = 12
const TOP = 8
const BOTTOM = 42
const SLOWEST_MS = 1000
const FASTEST_MS = 0.1

/**
 * Draws every answer as a dot: when it came, how long it took (logarithmic), where it came from. Behind them, when Redis was
 * frozen or down; below them, the state of the circuit breaker.
 */
export function drawTimeline(canvas, requests, states, now, span) {
  const { clientWidth: width, clientHeight: height } = canvas
  const ratio = globalThis.devicePixelRatio || 1
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio)
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio)
  const style = getComputedStyle(document.documentElement)
  const color = (name) => style.getPropertyValue(`--${name}`)
  const pen = canvas.getContext('2d')
  pen.setTransform(ratio, 0, 0, ratio, 0, 0)
  pen.clearRect(0, 0, width, height)
  pen.font = '11px system-ui, "DejaVu Sans", sans-serif'

  const floor = height - BOTTOM
  const x = (at) => Math.max(LEFT, LEFT + (1 - (now - at) / span) * (width - LEFT - RIGHT))
  const y = (ms) => {
    const part =
      Math.log(Math.min(SLOWEST_MS, Math.max(FASTEST_MS, ms)) / FASTEST_MS) / Math.log(SLOWEST_MS / FASTEST_MS)
    return floor - part * (floor - TOP)
  }

  drawOutages()
  drawGrid()
  drawDots()
  drawBreaker()

  function drawOutages() {
    const shades = { frozen: 'warn', down: 'failed' }
    for (const [i, state] of states.entries()) {
      const shade = shades[state.redis]
      if (shade === undefined) continue
      const from = x(state.at)
      const until = x(states[i + 1]?.at ?? now)
      pen.fillStyle = color(shade)
      pen.globalAlpha = 0.13
      pen.fillRect(from, TOP, until - from, floor - TOP)
      pen.globalAlpha = 1
      if (until - from > 42) pen.fillText(state.redis, from + 6, TOP + 14)
    }
  }

  function drawGrid() {
    pen.strokeStyle = color('line')
    pen.fillStyle = color('quiet')
    pen.lineWidth = 1
    for (const ms of [0.1, 1, 10, 100, 1000]) {
      const at = Math.round(y(ms)) + 0.5
      line(LEFT, at, width - RIGHT, at)
      pen.textAlign = 'right'
      pen.fillText(`${ms} ms`, LEFT - 8, at + 4)
    }
    pen.textAlign = 'center'
    for (let ago = 0; ago <= span; ago += 10_000) {
      const at = x(now - ago)
      pen.fillText(ago === 0 ? 'now' : `−${ago / 1000} s`, Math.min(at, width - RIGHT - 10), height - 4)
    }
    pen.textAlign = 'left'
  }

  function drawDots() {
    pen.globalAlpha = 0.8
    for (const request of requests) {
      const failed = request.status >= 400
      pen.fillStyle = color(failed ? 'failed' : request.source)
      pen.beginPath()
      if (failed) pen.rect(x(request.at) - 4, y(request.ms) - 4, 8, 8)
      else pen.arc(x(request.at), y(request.ms), 2.6, 0, 2 * Math.PI)
      pen.fill()
    }
    pen.globalAlpha = 1
  }

  function drawBreaker() {
    const top = floor + 10
    const shades = { closed: 'good', open: 'failed' }
    for (const [i, state] of states.entries()) {
      if (state.redis === 'none') continue
      pen.fillStyle = color(shades[state.breaker] ?? 'warn')
      const from = x(state.at)
      pen.fillRect(from, top, Math.max(1, x(states[i + 1]?.at ?? now) - from), 8)
    }
    if (states.every((state) => state.redis === 'none')) return
    pen.fillStyle = color('quiet')
    pen.textAlign = 'right'
    pen.fillText('breaker', LEFT - 8, top + 8)
    pen.textAlign = 'left'
  }

  function line(x1, y1, x2, y2) {
    pen.beginPath()
    pen.moveTo(x1, y1)
    pen.lineTo(x2, y2)
    pen.stroke()
  }
}
