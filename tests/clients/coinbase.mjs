/*
 * coinbase.mjs - a trading session of the real clients of the Coinbase Exchange API: ccxt over HTTP
 * and WebSocket, coinbase-api, and bare requests for what no client would send.  See session.mjs.
 */
import crypto from 'node:crypto'
import { atoms, check, decimal, equal, load, openAccount, refused, run, sum, times, url } from './session.mjs'

const ccxt = load('ccxt')
const { CBExchangeClient } = load('coinbase-api')

const MARKET = 'BTC/USD'
const PRODUCT = 'BTC-USD'
const OTHER = 'ETH/USD'
const FUNDS = { USD: '1000000', BTC: '100', ETH: '100' }
const TAKER = '0.006'
const MAKER = '0.004'
const WAIT_MS = 30000

/* --- Clients ------------------------------------------------------------------------------------ */

function client(account, kind = ccxt.coinbaseexchange) {
  const ex = new kind({
    apiKey: account?.key,
    secret: account?.secret,
    password: account?.passphrase,
    enableRateLimit: false,
  })
  ex.urls.api = { public: url, private: url, ws: url.replace(/^http/, 'ws') }
  return Object.assign(ex, { owner: account })
}

/* A bare request, signed as the dialect says; change: of the headers. */
async function bare(method, path, { account, body = '', change = {}, timestamp = Math.floor(Date.now() / 1000) } = {}) {
  const headers = body === '' ? {} : { 'Content-Type': 'application/json' }
  if (account) {
    const key = Buffer.from(account.secret, 'base64')
    headers['CB-ACCESS-KEY'] = account.key
    headers['CB-ACCESS-PASSPHRASE'] = account.passphrase
    headers['CB-ACCESS-TIMESTAMP'] = String(timestamp)
    headers['CB-ACCESS-SIGN'] = crypto.createHmac('sha256', key).update(timestamp + method + path + body).digest('base64')
  }
  const answer = await fetch(url + path, {
    method,
    headers: { ...headers, ...change },
    body: body === '' ? undefined : body,
  })
  return { status: answer.status, body: await answer.json(), headers: answer.headers }
}

const isA = (kind) => (error) => error instanceof kind
const balance = async (ex, code) => {
  const found = (await ex.fetchBalance()).info.find(({ currency }) => currency === code)
  return { available: atoms(found.available), hold: atoms(found.hold) }
}
const clean = async (...traders) => {
  for (const ex of traders) await ex.cancelAllOrders(MARKET)
}

let ann, bob, cat

/* --- The session --------------------------------------------------------------------------------- */

async function startingConditions() {
  ann = client(await openAccount(FUNDS))
  bob = client(await openAccount(FUNDS))
  cat = client(await openAccount({ USD: '10' }))
  for (const ex of [ann, bob, cat]) await ex.loadMarkets()
  equal('the book is empty', (await bare('GET', `/products/${PRODUCT}/book?level=2`)).body.bids, [])
  equal('nothing was traded', (await bare('GET', `/products/${PRODUCT}/trades`)).body, [])
}

async function markets() {
  const market = ann.markets[MARKET]
  check('ccxt loads the markets', Object.keys(ann.markets).length >= 8)
  equal('a market is spot', [market.spot, market.active, market.base, market.quote], [true, true, 'BTC', 'USD'])
  equal('its steps', [market.precision.price, market.precision.amount], [0.01, 0.000001])
  check('the clock is right', Math.abs((await ann.fetchTime()) - Date.now()) < 5000)
  check('currencies', Object.keys(await ann.fetchCurrencies()).length >= 9)
  equal('balances', [(await ann.fetchBalance()).total.USD, (await ann.fetchBalance()).free.BTC], [1000000, 100])
  check('accounts', (await ann.fetchAccounts()).length >= 9)
  equal('fees', [(await ann.fetchTradingFees())[MARKET].maker, (await ann.fetchTradingFees())[MARKET].taker], [0.004, 0.006])
}

async function limitOrders() {
  const ask = await ann.createOrder(MARKET, 'limit', 'sell', 1.5, 101, { clientOrderId: 'ann-ask' })
  equal('a limit order rests', [ask.status, ask.filled, ask.remaining, ask.clientOrderId], ['open', 0, 1.5, 'ann-ask'])
  const bid = await bob.createOrder(MARKET, 'limit', 'buy', 2, 99)
  const book = await ann.fetchOrderBook(MARKET)
  equal('the book shows both', [book.bids.map(([p, s]) => [p, s]), book.asks.map(([p, s]) => [p, s])], [[[99, 2]], [[101, 1.5]]])
  equal('by orders', (await bare('GET', `/products/${PRODUCT}/book?level=3`)).body.asks, [['101', '1.5', ask.id]])
  equal('what an ask holds', (await balance(ann, 'BTC')).hold, atoms('1.5'))
  equal('what a bid holds, with its fee', (await balance(bob, 'USD')).hold, atoms('199.188'))
  const ticker = await ann.fetchTicker(MARKET)
  equal('the ticker knows the best', [ticker.bid, ticker.info.ask], [99, '101'])
  equal('fetchOrder', (await bob.fetchOrder(bid.id, MARKET)).price, 99)
  equal('by the client\'s name', (await ann.fetchOrder(undefined, MARKET, { clientOrderId: 'ann-ask' })).id, ask.id)
  equal('fetchOpenOrders', (await bob.fetchOpenOrders(MARKET)).map(({ id }) => id), [bid.id])

  await refused('another account\'s order is not there', bob.fetchOrder(ask.id, MARKET), isA(ccxt.OrderNotFound))
  await refused('nor can it be canceled', bob.cancelOrder(ask.id, MARKET), isA(ccxt.OrderNotFound))
  await refused('nor is it on another market', ann.cancelOrder(ask.id, OTHER), isA(ccxt.OrderNotFound))

  await bob.cancelOrder(bid.id, MARKET)
  await refused('cancel twice', bob.cancelOrder(bid.id, MARKET), isA(ccxt.OrderNotFound))
  equal('what it held is free again', await balance(bob, 'USD'), { available: atoms(FUNDS.USD), hold: 0n })
  equal('it is shown as canceled', (await bob.fetchOrder(bid.id, MARKET)).status, 'canceled')
}

async function trading() {
  const bought = await bob.createOrder(MARKET, 'market', 'buy', 0.5)
  equal('a market order is filled', [bought.status, bought.filled, bought.cost], ['closed', 0.5, 50.5])
  equal('its fee', bought.fee.cost, 0.303)
  equal('what the taker pays', (await balance(bob, 'USD')).available, atoms(FUNDS.USD) - times('50.5', '1') - times('50.5', TAKER))
  equal('what the maker gets', (await balance(ann, 'USD')).available, atoms(FUNDS.USD) + times('50.5', '1') - times('50.5', MAKER))
  equal('partially filled', (await ann.fetchOrder(undefined, MARKET, { clientOrderId: 'ann-ask' })).filled, 0.5)
  const { body: funds } = await bare('POST', '/orders', {
    account: bob.owner, body: JSON.stringify({ type: 'market', side: 'buy', product_id: PRODUCT, funds: '40' }) })
  const spent = atoms(funds.executed_value) + atoms(funds.fill_fees)
  check('by funds, at most these with the fee', funds.done_reason === 'filled' && spent <= atoms('40') && spent > atoms('39.99'), funds)

  const ioc = await bob.createOrder(MARKET, 'limit', 'buy', 5, 101, { timeInForce: 'IOC' })
  equal('IOC takes what is there', [ioc.status, atoms(ioc.info.filled_size)], ['canceled', atoms('1') - atoms(funds.filled_size)])
  equal('and leaves nothing', await bob.fetchOpenOrders(MARKET), [])

  await ann.createOrder(MARKET, 'limit', 'sell', 1, 102)
  const fok = await bob.createOrder(MARKET, 'limit', 'buy', 1.1, 102, { timeInForce: 'FOK' })
  equal('FOK takes nothing if not all', [fok.status, fok.filled], ['canceled', 0])
  await refused('post-only does not take', bob.createOrder(MARKET, 'limit', 'buy', 1, 102, { postOnly: true }), isA(ccxt.ExchangeError))
  equal('post-only rests', (await bob.createOrder(MARKET, 'limit', 'buy', 1, 100, { postOnly: true })).status, 'open')
  const all = await bob.createOrder(MARKET, 'limit', 'buy', 1, 102, { timeInForce: 'FOK' })
  equal('FOK takes all', [all.status, all.filled], ['closed', 1])
  await clean(ann, bob)

  await refused('insufficient funds', cat.createOrder(MARKET, 'limit', 'buy', 1, 100), isA(ccxt.InsufficientFunds))
  await refused('of a sale, too', cat.createOrder(MARKET, 'limit', 'sell', 1, 100), isA(ccxt.InsufficientFunds))
  const nothing = await bob.createOrder(MARKET, 'market', 'buy', 1)
  equal('a market order without a market', [nothing.status, nothing.filled], ['canceled', 0])
}

async function selfTrade() {
  for (const [stp, makerLeft, taker] of [['cn', 1, 'done'], ['co', 0, 'open'], ['cb', 0, 'done'], ['dc', 0, 'done']]) {
    const maker = await ann.createOrder(MARKET, 'limit', 'sell', 1, 100)
    const order = { side: 'buy', product_id: PRODUCT, price: '100', size: '1', stp }
    const { body } = await bare('POST', '/orders', { account: ann.owner, body: JSON.stringify(order) })
    equal(`${stp}: the taker`, [body.status, body.filled_size], [taker, '0'])
    equal(`${stp}: the maker`, (await ann.fetchOpenOrders(MARKET)).filter(({ id }) => id === maker.id).length, makerLeft)
    await clean(ann)
  }
}

async function sameName() {
  for (const products of [[PRODUCT], [PRODUCT, 'ETH-USD']]) {
    const name = crypto.randomUUID()
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => bare('POST', '/orders', {
      account: ann.owner,
      body: JSON.stringify({ side: 'buy', product_id: products[i % products.length], price: '10', size: '0.1', client_oid: name }),
    })))
    equal(`8 times at once on ${products.length}: all are answered`, answers.map(({ status }) => status), Array(8).fill(200))
    equal('by one order', new Set(answers.map(({ body }) => body.id)).size, 1)
  }
  equal('there are two', (await bare('DELETE', '/orders', { account: ann.owner })).body.length, 2)
}

async function priority() {
  const first = await ann.createOrder(MARKET, 'limit', 'sell', 0.3, 110)
  const second = await ann.createOrder(MARKET, 'limit', 'sell', 0.3, 110)
  const better = await ann.createOrder(MARKET, 'limit', 'sell', 0.3, 109)
  check('sequences rise', Number(first.info.sequence) < Number(second.info.sequence))
  await bob.createOrder(MARKET, 'limit', 'buy', 0.5, 111)
  const filled = async ({ id }) => (await ann.fetchOrder(id, MARKET)).filled
  equal('price, then time', [await filled(better), await filled(first), await filled(second)], [0.3, 0.2, 0])
  const fills = (await bob.fetchMyTrades(MARKET)).slice(-2)
  equal('at the makers\' prices', fills.map(({ price }) => price), [109, 110])
  await ann.cancelOrder(second.id, MARKET)
  const [a, b] = [await ann.fetchOrder(better.id), await ann.fetchOrder(second.id)]
  check('a cancel has a number of its own', Number(b.info.done_sequence) > Number(a.info.done_sequence))
  await clean(ann)
}

async function tape() {
  const trades = (await bare('GET', `/products/${PRODUCT}/trades`)).body
  equal('ids have no gap', trades.map(({ trade_id: id }) => id), trades.map((_, i) => trades.length - i))
  const volume = sum(trades, ({ size }) => size)
  const fills = (await bare('GET', '/fills?limit=1000', { account: bob.owner })).body
  const other = (await bare('GET', '/fills?limit=1000', { account: ann.owner })).body
  const facts = (one) => [one.trade_id, one.price, one.size]
  equal('tape = fills of the taker', trades.map(facts), fills.map(facts))
  equal('tape = fills of the maker', trades.map(facts), other.map(facts))
  for (const granularity of [60, 300, 900, 3600, 21600, 86400]) {
    const candles = (await bare('GET', `/products/${PRODUCT}/candles?granularity=${granularity}`)).body
    equal(`candles of ${granularity} s`, sum(candles, (c) => c[5].toFixed(6)), volume)
    equal('their last price', candles[0][4], Number(trades[0].price))
    check('their high and low', Math.max(...candles.map((c) => c[2])) === Math.max(...trades.map(({ price }) => Number(price))))
  }
  equal('ccxt reads candles', (await ann.fetchOHLCV(MARKET, '1h')).at(-1)[4], Number(trades[0].price))
  const ticker = await ann.fetchTicker(MARKET)
  equal('the ticker', [ticker.last, atoms(ticker.info.volume)], [Number(trades[0].price), volume])
  equal('stats', atoms((await bare('GET', `/products/${PRODUCT}/stats`)).body.volume), volume)
  check('all tickers', MARKET in (await ann.fetchTickers()))
  for (const [ex, list] of [[ann, other], [bob, fills]]) {
    const sign = ({ side }) => (side === 'buy' ? 1n : -1n)
    const change = list.reduce((total, one) => total + sign(one) * atoms(one.size), 0n)
    const paid = list.reduce((total, one) => total - sign(one) * times(one.size, one.price) - atoms(one.fee), 0n)
    equal('fills = balance of the base', decimal((await balance(ex, 'BTC')).available), decimal(atoms(FUNDS.BTC) + change))
    equal('fills = balance of the quote', decimal((await balance(ex, 'USD')).available), decimal(atoms(FUNDS.USD) + paid))
    const wallet = (await ex.fetchAccounts()).find(({ code }) => code === 'USD')
    const ledger = (await bare('GET', `/accounts/${wallet.id}/ledger?limit=1000`, { account: ex.owner })).body
    equal('the ledger ends at the balance', atoms(ledger[0].balance), (await balance(ex, 'USD')).available)
    equal('and is its sum', sum(ledger, ({ amount }) => amount), atoms(ledger[0].balance))
  }
}

async function pages() {
  for (const [path, id] of [['/orders?status=all&', 'id'], ['/fills?', 'trade_id'], [`/products/${PRODUCT}/trades?`, 'trade_id']]) {
    const all = (await bare('GET', `${path}limit=1000`, { account: bob.owner })).body.map((one) => one[id])
    const found = []
    for (let after = ''; found.length <= all.length;) {
      const { body, headers } = await bare('GET', `${path}limit=2${after}`, { account: bob.owner })
      if (body.length === 0) break
      found.push(...body.map((one) => one[id]))
      after = `&after=${headers.get('cb-after')}`
    }
    check(`pages of ${path}`, all.length > 2)
    equal('give all, once', found, all)
  }
}

/* --- coinbase-api ------------------------------------------------------------------------------------- */

async function otherClient() {
  const { key, secret, passphrase } = ann.owner
  const api = new CBExchangeClient({ apiKey: key, apiSecret: secret, apiPassphrase: passphrase, baseUrl: url })
  check('getCurrencies', (await api.getCurrencies()).length >= 9)
  check('getAllTradingPairs', (await api.getAllTradingPairs()).length >= 8)
  equal('getProduct', (await api.getProduct({ product_id: PRODUCT })).base_increment, '0.000001')
  check('getAccounts', (await api.getAccounts()).length >= 9)
  equal('getFees', (await api.getFees()).taker_fee_rate, '0.006')
  const order = await api.submitOrder({ product_id: PRODUCT, side: 'buy', type: 'limit', price: '60', size: '1' })
  equal('submitOrder', order.status, 'open')
  equal('getOrder', (await api.getOrder({ order_id: order.id })).price, '60')
  equal('getOrders', (await api.getOrders({ status: ['open'], product_id: PRODUCT, limit: 10 })).length, 1)
  equal('getProductBook', (await api.getProductBook({ product_id: PRODUCT, level: 1 })).bids, [['60', '1', 1]])
  equal('cancelOrder', await api.cancelOrder({ order_id: order.id, product_id: PRODUCT }), order.id)
  await refused('cancel twice', api.cancelOrder({ order_id: order.id, product_id: PRODUCT }), (error) => error.code === 400 || error.status === 400 || /already done/.test(JSON.stringify(error)))
  for (const price of ['61', '62']) await api.submitOrder({ product_id: PRODUCT, side: 'buy', type: 'limit', price, size: '1' })
  equal('cancelAllOrders', (await api.cancelAllOrders({ product_id: PRODUCT })).length, 2)
  check('getFills', (await api.getFills({ product_id: PRODUCT })).length > 2)
  check('getProductTrades', (await api.getProductTrades({ product_id: PRODUCT })).length > 2)
  check('getProductCandles', (await api.getProductCandles({ product_id: PRODUCT, granularity: '60' })).length >= 1)
  check('getProductTicker', Number((await api.getProductTicker({ product_id: PRODUCT })).price) > 0)
}

/* --- ccxt over a WebSocket ------------------------------------------------------------------------------ */

/* The server's confirmation of these channels, which ccxt hears and hands to nobody; to be called
   before the client connects. */
function subscribed(ex, channels) {
  const { handleMessage } = ex
  const missing = new Set(channels)
  return new Promise((done) => {
    ex.handleMessage = (connection, message) => {
      for (const { name } of message.type === 'subscriptions' ? message.channels : []) missing.delete(name)
      if (missing.size === 0) done(true)
      return handleMessage.call(ex, connection, message)
    }
  })
}

/* What a promise gives, again and again, until the condition holds for it. */
async function until(what, next, holds) {
  const end = Date.now() + WAIT_MS
  let found
  while (Date.now() < end) {
    found = await Promise.race([next(), new Promise((done) => setTimeout(done, end - Date.now()))])
    if (found !== undefined && holds(found)) {
      check(what, true)
      return found
    }
  }
  check(what, false, found)
  return undefined
}

async function socket() {
  const [a, b] = [ann, bob].map(({ owner }) => client(owner, ccxt.pro.coinbaseexchange))
  for (const ex of [a, b]) {
    await ex.loadHttpProxyAgent() // without it ccxt does not take a ws:// address
    await ex.loadMarkets()
  }
  const confirmed = Promise.all([subscribed(a, ['level2', 'matches', 'ticker']), subscribed(b, ['user'])])
  // A message may come before the answer to its order, and two in one go, of which ccxt gives the first
  // ticker to who waits: the ids are compared at the end, and the ticker is what ccxt knows by then.
  const watching = [
    until('watchOrderBook: the snapshot, and what comes', () => a.watchOrderBook(MARKET), (book) => book.asks.length === 1 && book.asks[0][1] === 0.4),
    until('watchTrades', () => a.watchTrades(MARKET), (trades) => trades.some(({ price, amount }) => price === 105 && amount === 0.1)),
    until('watchTicker', () => a.watchTicker(MARKET).then(() => a.tickers[MARKET]), (ticker) => ticker.last === 105 && ticker.ask === 105),
    until('watchOrders', () => b.watchOrders(MARKET), (list) => list.some(({ status }) => status === 'closed')),
    until('watchMyTrades', () => b.watchMyTrades(MARKET), (list) => list.length > 0),
  ]
  await until('all subscriptions are confirmed', () => confirmed, () => true)
  const rested = await ann.createOrder(MARKET, 'limit', 'sell', 0.5, 105)
  const bought = await bob.createOrder(MARKET, 'limit', 'buy', 0.1, 105)
  const [, , , orders, trades] = await Promise.all(watching)
  equal('watchOrders: it is this order', orders?.map(({ id }) => id), [bought.id])
  equal('watchMyTrades: it is of this order', trades?.map(({ order }) => order), [bought.id])
  await ann.cancelOrder(rested.id, MARKET)
  const stranger = client({ ...ann.owner, passphrase: 'guessed' }, ccxt.pro.coinbaseexchange)
  await stranger.loadHttpProxyAgent()
  await stranger.loadMarkets()
  await refused('a stranger hears nothing', stranger.watchOrders(MARKET), isA(ccxt.AuthenticationError))
  for (const ex of [a, b, stranger]) await ex.close()
}

/* --- What no client would send ------------------------------------------------------------------------ */

async function signatures() {
  const account = ann.owner
  const words = async (what, options, status, message, path = '/accounts', method = 'GET') => {
    const answer = await bare(method, path, options)
    equal(what, [answer.status, answer.body.message], [status, message])
  }
  const seconds = Math.floor(Date.now() / 1000)
  await words('no key', {}, 401, 'CB-ACCESS-KEY header is required')
  await words('a key of nobody', { account, change: { 'CB-ACCESS-KEY': '0'.repeat(32) } }, 401, 'Invalid API Key')
  await words('garbage', { account, change: { 'CB-ACCESS-SIGN': '!' } }, 401, 'invalid signature')
  await words('another\'s', { account, change: { 'CB-ACCESS-SIGN': 'A'.repeat(43) + '=' } }, 401, 'invalid signature')
  await words('a guessed passphrase', { account, change: { 'CB-ACCESS-PASSPHRASE': 'guess' } }, 401, 'Invalid Passphrase')
  await words('too late', { account, timestamp: seconds - 40 }, 401, 'request timestamp expired')
  await words('too early', { account, timestamp: seconds + 40 }, 401, 'request timestamp expired')
  await words('no number', { account, timestamp: 'now' }, 401, 'invalid timestamp')
  await words('the largest', { account, timestamp: '9223372036854775807' }, 401, 'invalid timestamp')
  equal('twice in a second', (await Promise.all([1, 2].map(() => bare('GET', '/accounts', { account })))).map(({ status }) => status), [200, 200])
  equal('the query is signed', (await bare('GET', '/orders?status=all&limit=1', { account })).body.length, 1)
}

async function garbage() {
  const account = ann.owner
  const order = (change) => JSON.stringify({ side: 'buy', type: 'limit', product_id: PRODUCT, price: '50', size: '1', ...change })
  const cases = [
    { product_id: 'NO-SUCH' }, { product_id: null }, { product_id: 7 }, { side: 'hold' }, { side: undefined }, { type: 'guess' },
    { time_in_force: 'GTT' }, { stp: 'xx' }, { price: undefined }, { price: null }, { price: '0' }, { price: '-1' }, { price: '+1' },
    { price: '1e2' }, { price: '0x10' }, { price: 'NaN' }, { price: 'Infinity' }, { price: '1 ' }, { price: '1,5' }, { price: '١' },
    { price: '50.001' }, { price: '0.001' }, { price: '9223372036854775807' }, { price: '9223372036854775808' },
    { price: '92233720368547758.07' }, { price: '1'.repeat(400) }, { price: [] }, { price: {} }, { price: true }, { size: '0' },
    { size: '0.0000001' }, { size: '9223372036854.775807' }, { size: '9223372036854.775808' }, { size: '9000.000001' },
    { size: 1e300 }, { price: '10000000.01' }, { price: '10000000', size: '9000' }, { client_oid: 'a b' }, { client_oid: 'x'.repeat(65) },
    { type: 'market', size: undefined }, { type: 'market', size: undefined, funds: '0.99' },
    { type: 'market', size: undefined, funds: '92233720368.54775808' }, { post_only: true, time_in_force: 'IOC' },
  ]
  for (const change of cases) {
    const answer = await bare('POST', '/orders', { account, body: order(change) })
    check(`order ${JSON.stringify(change).slice(0, 60)}`, answer.status === 400 && typeof answer.body.message === 'string', answer)
  }
  for (const body of ['[]', '7', '"text"', '{', '{"side":"buy","side":"sell"}', '\u0000', 'null'])
    equal(`body ${JSON.stringify(body)}`, (await bare('POST', '/orders', { account, body })).status, 400)
  for (const [method, path, status] of [
    ['GET', '/orders/7', 404], ['GET', '/orders/00000000-0000-4000-8000-00000000ffff', 404], ['DELETE', '/orders/not-there', 404],
    ['GET', '/orders/client:nobody', 404], ['DELETE', '/orders/client:nobody', 404], ['GET', '/accounts/7', 404],
    ['GET', '/accounts/7/ledger', 404], ['GET', '/fills?order_id=7', 404], ['GET', '/fills?after=x', 400], ['GET', '/orders?limit=x', 400],
    ['GET', '/orders?start_date=never', 400], ['DELETE', '/orders?product_id=NO-SUCH', 400], ['GET', '/products/NO-SUCH/book', 404],
    ['GET', `/products/${PRODUCT}/book?level=9`, 400], ['GET', `/products/${PRODUCT}/candles?granularity=7`, 400],
    ['GET', `/products/${PRODUCT}/trades?after=9223372036854775808`, 400], ['GET', `/products/${PRODUCT}/trades?limit=-1`, 400],
  ])
    equal(`${method} ${path}`, (await bare(method, path, { account })).status, status)
  equal('nothing of it was placed', (await bare('GET', '/orders', { account })).body, [])
}

await run([startingConditions, markets, limitOrders, trading, selfTrade, sameName, priority, tape, pages, otherClient, socket, signatures, garbage])
