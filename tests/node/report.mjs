// The matrix's protocol with its harness (tests/README.md), and bounded waiting. Knows nothing about scenarios.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

export const DEADLINE_MS = 60_000
const version = JSON.parse(readFileSync(new URL('node_modules/kafkajs/package.json', import.meta.url))).version
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
let failed = false

// Runs a scenario, which returns what it saw or throws, and prints its line.
export async function capability(name, scenario) {
  const line = { client: 'kafkajs', version, capability: name, ok: true }
  const started = Date.now()
  try {
    line.detail = await scenario()
  } catch (error) {
    line.ok = false
    line.detail = String(error.stack)
    failed = true
  }
  line.seconds = (Date.now() - started) / 1000
  console.log(JSON.stringify(line))
}

export const exitCode = () => (failed ? 1 : 0)

// Asks the harness for something, and waits until it is done.
export async function request(what) {
  console.log(JSON.stringify({ request: what }))
  equal((await answers.next()).value, 'done', what)
}

export async function until(what, condition) {
  const end = Date.now() + DEADLINE_MS
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${DEADLINE_MS} ms until ${typeof what === 'function' ? what() : what}`)
    await sleep(20)
  }
}

export function equal(got, expected, what) {
  const [left, right] = [JSON.stringify(got), JSON.stringify(expected)]
  if (left !== right) throw new Error(`${what}: got ${left?.slice(0, 300)}, expected ${right?.slice(0, 300)}`)
}

export function check(holds, what) {
  if (!holds) throw new Error(what)
}
