// Reads an EDIFACT file with the npm package "edifact" and prints the best
// time of several passes in seconds, and how many segments it saw.
'use strict'

const fs = require('fs')
const Parser = require('edifact/parser.js')

const [, , path, passes] = process.argv
const text = fs.readFileSync(path, 'latin1')
let best = Infinity
let segments = 0
for (let i = 0; i < Number(passes); i++) {
  const start = process.hrtime.bigint()
  const parser = new Parser()
  parser.encoding('UNOC')
  segments = 0
  let length = 0
  parser.onopensegment = () => { segments++ }
  parser.onclosesegment = () => {}
  parser.onelement = () => {}
  parser.oncomponent = (data) => { length += data.length }
  for (let at = 0; at < text.length; at += 65536) {
    parser.write(text.slice(at, at + 65536))
  }
  parser.end()
  best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e9)
}
console.log(JSON.stringify({ seconds: best, segments }))
