import { tryAll } from './conformance.js'
import { reportOf, totalsOf } from './report.js'

// npm run conformance [-- a regular expression for the names of rules and what they say, such as '9111 section 4\.2']

const outcomes = await tryAll(process.argv[2] === undefined ? undefined : new RegExp(process.argv[2]))
console.log(reportOf(outcomes))
process.exitCode = totalsOf(outcomes).failed === 0 ? 0 : 1
