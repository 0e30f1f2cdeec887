/*
 * session.mjs - what the scripts of this folder share: where the server is, accounts to trade with,
 * checks that print a line each, and the end of a script.
 *
 *     SX_URL           the server: http://127.0.0.1:5009
 *     SX_ADMIN_TOKEN   the administrator's, who opens accounts
 *     SX_CLIENTS       the folder that `npm ci` has filled; else the one of this file
 *
 * Nobody else may trade while a script runs: it counts what it finds.
 */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import path from 'node:path'

export const url = (process.env.SX_URL ?? 'http://127.0.0.1:5009').replace(/\/$/, '')
const admin = process.env.SX_ADMIN_TOKEN ?? ''
const folder = process.env.SX_CLIENTS ?? path.dirname(fileURLToPath(import.meta.url))

/* A package of that folder. */
export const load = createRequire(path.join(folder, 'package.json'))

let nPassed = 0
const failed = []

/* Each check is a line; one that fails ends the script with status 1, after the others. */
export function check(what, isTrue, found = '') {
  if (isTrue) {
    nPassed++
    console.log(`ok     ${what}`)
  } else {
    fail(found === '' ? what : `${what}: found ${text(found)}`)
  }
}

function fail(line) {
  failed.push(line)
  console.log(`FAILED ${line}`)
}

export function equal(what, found, expected) {
  check(what, text(found) === text(expected), `${text(found)}, expected ${text(expected)}`)
}

/* The promise fails, and the error suits. */
export async function refused(what, promise, suits) {
  try {
    check(what, false, await promise)
  } catch (error) {
    check(what, suits(error), error)
  }
}

function text(value) {
  if (value instanceof Error) return `${value.constructor.name} ${value.message}`
  return typeof value === 'string'
    ? value
    : JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? decimal(one) : one))
}

/* --- Exact numbers -------------------------------------------------------------------------- */

/* Decimal text as a count of 10^-scale, and back; the scale of all assets that are traded here. */
export const SCALE = 8
export function atoms(decimal) {
  const [whole, fraction = ''] = String(decimal).replace('-', '').split('.')
  const value = BigInt(whole + fraction.padEnd(SCALE, '0').slice(0, SCALE))
  return String(decimal).startsWith('-') ? -value : value
}
export function sum(list, of) {
  return list.reduce((total, one) => total + atoms(of(one)), 0n)
}
export function times(a, b) {
  return (atoms(a) * atoms(b)) / 10n ** BigInt(SCALE)
}
export function decimal(value) {
  const digits = String(value < 0n ? -value : value).padStart(SCALE + 1, '0')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -SCALE)}.${digits.slice(-SCALE)}`
}

/* --- The administrator ------------------------------------------------------------------------ */

async function ask(method, path, body) {
  const answer = await fetch(url + path, {
    method,
    headers: { Authorization: `Bearer ${admin}`, 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const said = await answer.json()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text(said)}`)
  return said
}

/* A new account: key, secret, passphrase. */
export function openAccount(deposits) {
  return ask('POST', '/sim/accounts', { deposits })
}

/* The rules of the books hold: no money made or lost, no order filled twice. */
export async function audit() {
  for (const { rule, n } of await ask('GET', '/sim/audit')) equal(`audit: ${rule}`, Number(n), 0)
}

/* --- The script -------------------------------------------------------------------------------- */

/* Runs the parts in their order; then the audit, and the count. */
export async function run(parts) {
  try {
    for (const part of parts) {
      console.log(`\n-- ${part.name}`)
      await part()
    }
    console.log('\n-- audit')
    await audit()
  } catch (error) {
    fail(`the session came to its end: ${error.stack}`)
  }
  // Once more at the end: a log that is cut in its middle still tells which.
  console.log(failed.map((line) => `\nFAILED ${line}`).join(''))
  console.log(`\n${nPassed} passed, ${failed.length} failed`)
  process.exit(failed.length === 0 && nPassed > 0 ? 0 : 1)
}
