/*
 * binance.mjs - a trading session of the real clients of the Binance spot API: ccxt, the official
 * connector, and bare requests for what no client would send.  See session.mjs.
 */
import crypto from 'node:crypto'
import { atoms, check, decimal, equal, load, openAccount, refused, run, sum, times, url } from './session.mjs'

const ccxt = load('ccxt')
const { Spot } = load('@binance/connector')

const MARKET = 'BTC/USD'
const SYMBOL = 'BTCUSD'
const OTHER = 'ETHUSD'
const FUNDS = { USD: '1000000', BTC: '100', ETH: '100' }
const TAKER = '0.006'
const MAKER = '0.004'

/* --- Clients ------------------------------------------------------------------------------------ */

function client(account) {
  const ex = new ccxt.binance({
    apiKey: account?.key,
    secret: account?.secret,
    enableRateLimit: false,
    options: { fetchMarkets: { types: ['spot'] }, fetchCurrencies: false, fetchMargins: false },
  })
  for (const [name, there] of Object.entries(ex.urls.api))
    if (typeof there === 'string') ex.urls.api[name] = there.replace(/^https?:\/\/[^/]*/, url)
  return Object.assign(ex, { owner: account })
}

/* A bare request.  Parameters may stand in the query and in the body; what is signed is the text. */
async function bare(method, path, { query = '', body = '', account, sign = true, mac, key } = {}) {
  const headers = {}
  let target = query
  let form = body
  if (account) {
    headers['X-MBX-APIKEY'] = key ?? account.key
    mac ??= crypto.createHmac('sha256', account.secret).update(query + body).digest('hex')
    if (sign && form !== '') form += `&signature=${mac}`
    else if (sign) target += `&signature=${mac}`
  }
  if (form !== '') headers['Content-Type'] = 'application/x-www-form-urlencoded'
  const answer = await fetch(`${url}/api/v3/${path}${target === '' ? '' : `?${target}`}`, {
    method,
    headers,
    body: form === '' ? undefined : form,
  })
  return { status: answer.status, body: await answer.json() }
}

const now = () => `timestamp=${Date.now()}`
const signed = (method, path, account, query) =>
  bare(method, path, { account, query: `${query}${query === '' ? '' : '&'}${now()}` })

const isA = (kind) => (error) => error instanceof kind
const balance = async (ex, code) => {
  const { info } = await ex.fetchBalance()
  const { free, locked } = info.balances.find(({ asset }) => asset === code)
  return { free: atoms(free), locked: atoms(locked) }
}
const clean = async (...traders) => {
  for (const ex of traders)
    for (const order of await ex.fetchOpenOrders(MARKET)) await ex.cancelOrder(order.id, MARKET)
}

let ann, bob, cat

/* --- The session --------------------------------------------------------------------------------- */

async function startingConditions() {
  ann = client(await openAccount(FUNDS))
  bob = client(await openAccount(FUNDS))
  cat = client(await openAccount({ USD: '10' }))
  for (const symbol of [SYMBOL, OTHER]) {
    const book = (await bare('GET', 'depth', { query: `symbol=${symbol}` })).body
    equal(`the book of ${symbol} is empty`, [book.bids, book.asks], [[], []])
    equal(`nothing was traded on ${symbol}`, (await bare('GET', 'trades', { query: `symbol=${symbol}` })).body, [])
  }
}

async function markets() {
  const ex = client()
  const all = await ex.loadMarkets()
  const market = all[MARKET]
  check('ccxt loads the markets', Object.keys(all).length >= 8)
  equal('a market is spot', [market.spot, market.active, market.base, market.quote], [true, true, 'BTC', 'USD'])
  equal('its steps', [market.precision.price, market.precision.amount], [0.01, 0.000001])
  equal('its smallest cost', market.limits.cost.min, 1)
  check('the clock is right', Math.abs((await ex.fetchTime()) - Date.now()) < 5000)
  equal('ping', (await bare('GET', 'ping')).body, {})
  for (const trader of [ann, bob, cat]) await trader.loadMarkets()
  const { body } = await bare('GET', 'exchangeInfo', { query: `symbols=["${SYMBOL}","${OTHER}"]` })
  equal('exchangeInfo of two', body.symbols.map(({ symbol }) => symbol), [SYMBOL, OTHER])
  equal('filters', body.symbols[0].filters.map(({ filterType }) => filterType),
    ['PRICE_FILTER', 'LOT_SIZE', 'MARKET_LOT_SIZE', 'NOTIONAL'])
}

async function limitOrders() {
  const ask = await ann.createOrder(MARKET, 'limit', 'sell', 1.5, 101, { newClientOrderId: 'ann-ask' })
  equal('a limit order rests', [ask.status, ask.filled, ask.remaining, ask.clientOrderId], ['open', 0, 1.5, 'ann-ask'])
  const bid = await bob.createOrder(MARKET, 'limit', 'buy', 2, 99)
  check('a name is made where none is given', bid.clientOrderId.length >= 16, bid.clientOrderId)
  const book = await ann.fetchOrderBook(MARKET)
  equal('the book shows both', [book.bids, book.asks], [[[99, 2]], [[101, 1.5]]])
  equal('what an ask holds', (await balance(ann, 'BTC')).locked, atoms('1.5'))
  equal('what a bid holds, with its fee', (await balance(bob, 'USD')).locked, atoms('199.188'))
  const ticker = await ann.fetchTicker(MARKET)
  equal('the ticker knows the best', [ticker.bid, ticker.bidVolume, ticker.ask, ticker.askVolume], [99, 2, 101, 1.5])
  equal('fetchOrder', (await bob.fetchOrder(bid.id, MARKET)).price, 99)
  equal('by the client\'s name', (await ann.fetchOrder(undefined, MARKET, { origClientOrderId: 'ann-ask' })).id, ask.id)
  equal('fetchOpenOrders', (await bob.fetchOpenOrders(MARKET)).map(({ id }) => id), [bid.id])

  await refused('another account\'s order is not there', bob.fetchOrder(ask.id, MARKET), isA(ccxt.OrderNotFound))
  await refused('nor can it be canceled', bob.cancelOrder(ask.id, MARKET), isA(ccxt.OrderNotFound))
  await refused('nor is it on another market', ann.fetchOrder(ask.id, 'ETH/USD'), isA(ccxt.OrderNotFound))

  equal('cancel', (await bob.cancelOrder(bid.id, MARKET)).status, 'canceled')
  await refused('cancel twice', bob.cancelOrder(bid.id, MARKET), isA(ccxt.OrderNotFound))
  equal('what it held is free again', await balance(bob, 'USD'), { free: atoms(FUNDS.USD), locked: 0n })
  equal('it is shown as canceled', (await bob.fetchOrder(bid.id, MARKET)).status, 'canceled')
}

async function trading() {
  const bought = await bob.createOrder(MARKET, 'market', 'buy', 0.5)
  equal('a market order is filled', [bought.status, bought.filled, bought.cost, bought.average], ['closed', 0.5, 50.5, 101])
  equal('its fee', bought.fees.map(({ cost, currency }) => [cost, currency]), [[0.303, 'USD']])
  equal('what the taker pays', (await balance(bob, 'USD')).free, atoms(FUNDS.USD) - times('50.5', '1') - times('50.5', TAKER))
  equal('what the maker gets', (await balance(ann, 'USD')).free, atoms(FUNDS.USD) + times('50.5', '1') - times('50.5', MAKER))
  equal('partially filled', (await ann.fetchOrder(undefined, MARKET, { origClientOrderId: 'ann-ask' })).filled, 0.5)
  const funds = await bob.createOrder(MARKET, 'market', 'buy', undefined, undefined, { quoteOrderQty: 40 })
  check('by funds, at most these with the fee', funds.status === 'closed' && funds.cost > 39 && funds.cost * 1.006 <= 40, funds)

  const ioc = await bob.createOrder(MARKET, 'limit', 'buy', 5, 101, { timeInForce: 'IOC' })
  equal('IOC takes what is there', [ioc.status, ioc.filled], ['expired', 1.5 - 0.5 - funds.filled])
  equal('and leaves nothing', await bob.fetchOpenOrders(MARKET), [])

  await ann.createOrder(MARKET, 'limit', 'sell', 1, 102)
  const fok = await bob.createOrder(MARKET, 'limit', 'buy', 1.1, 102, { timeInForce: 'FOK' })
  equal('FOK takes nothing if not all', [fok.status, fok.filled], ['expired', 0])
  await refused('post-only does not take', bob.createOrder(MARKET, 'limit', 'buy', 1, 102, { postOnly: true }),
    isA(ccxt.OrderImmediatelyFillable))
  const maker = await bob.createOrder(MARKET, 'limit', 'buy', 1, 100, { postOnly: true })
  equal('post-only rests', (await bob.fetchOrder(maker.id, MARKET)).status, 'open')
  const all = await bob.createOrder(MARKET, 'limit', 'buy', 1, 102, { timeInForce: 'FOK' })
  equal('FOK takes all', [all.status, all.filled], ['closed', 1])
  await clean(ann, bob)

  await refused('insufficient funds', cat.createOrder(MARKET, 'limit', 'buy', 1, 100), isA(ccxt.InsufficientFunds))
  await refused('of a sale, too', cat.createOrder(MARKET, 'limit', 'sell', 1, 100), isA(ccxt.InsufficientFunds))
  await refused('below the smallest cost', bob.createOrder(MARKET, 'limit', 'buy', 0.001, 100), isA(ccxt.BadRequest))
  const nothing = await bob.createOrder(MARKET, 'market', 'buy', 1)
  equal('a market order without a market', [nothing.status, nothing.filled], ['expired', 0])
}

async function selfTrade() {
  for (const [mode, makerLeft, taker] of [['EXPIRE_TAKER', 1, 'CANCELED'], ['EXPIRE_MAKER', 0, 'NEW'],
    ['EXPIRE_BOTH', 0, 'CANCELED'], ['DECREMENT', 0, 'EXPIRED_IN_MATCH']]) {
    const maker = await ann.createOrder(MARKET, 'limit', 'sell', 1, 100)
    const { body } = await signed('POST', 'order', ann.owner,
      `symbol=${SYMBOL}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=100&selfTradePreventionMode=${mode}`)
    equal(`${mode}: the taker`, [body.status, body.executedQty], [taker, '0.000000'])
    equal(`${mode}: the maker`, (await ann.fetchOpenOrders(MARKET)).filter(({ id }) => id === maker.id).length, makerLeft)
    await clean(ann)
  }
}

async function sameName() {
  for (const markets of [[SYMBOL], [SYMBOL, OTHER]]) {
    const name = `same-${markets.length}`
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => signed('POST', 'order', ann.owner,
      `symbol=${markets[i % markets.length]}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=50&newClientOrderId=${name}`)))
    const refusals = answers.filter(({ status }) => status === 400).map(({ body }) => body)
    equal(`one of eight on ${markets.length} market(s)`, answers.filter(({ status }) => status === 200).length, 1)
    equal('the others are duplicates', refusals,
      Array.from({ length: 7 }, () => ({ code: -2010, msg: 'Duplicate order sent.' })))
    const { body } = await signed('GET', 'openOrders', ann.owner, '')
    equal('one order lies in the books', body.map(({ clientOrderId }) => clientOrderId), [name])
    await signed('DELETE', 'order', ann.owner, `symbol=${body[0].symbol}&orderId=${body[0].orderId}`)
  }
}

async function priority() {
  const dan = client(await openAccount(FUNDS))
  await dan.loadMarkets()
  const late = await ann.createOrder(MARKET, 'limit', 'sell', 1, 111)
  const first = await bob.createOrder(MARKET, 'limit', 'sell', 1, 110)
  const second = await ann.createOrder(MARKET, 'limit', 'sell', 1, 110)
  const sweep = await dan.createOrder(MARKET, 'limit', 'buy', 2.5, 111)
  equal('a sweep through two prices', [sweep.status, sweep.filled, sweep.cost], ['closed', 2.5, 275.5])
  const fills = [...await ann.fetchMyTrades(MARKET), ...await bob.fetchMyTrades(MARKET)]
    .filter(({ order }) => [late.id, first.id, second.id].includes(order))
    .sort((a, b) => Number(a.id) - Number(b.id))
  equal('price first, then time', fills.map(({ order, price, amount }) => [order, price, amount]),
    [[first.id, 110, 1], [second.id, 110, 1], [late.id, 111, 0.5]])
  equal('the sweep has the same trades', (await dan.fetchMyTrades(MARKET)).map(({ id }) => id), fills.map(({ id }) => id))
  equal('a fill says who was maker', fills.map(({ takerOrMaker }) => takerOrMaker), ['maker', 'maker', 'maker'])
  await clean(ann, bob)
}

/* What everybody sees is what the two sides have. */
async function tape() {
  const trades = (await bare('GET', 'aggTrades', { query: `symbol=${SYMBOL}&limit=1000` })).body
  const quantity = sum(trades, ({ q }) => q)
  const value = trades.reduce((total, { p, q }) => total + times(p, q), 0n)
  equal('ids without a gap', trades.map(({ a }) => a), trades.map((_, i) => i + 1))
  check('times never go back', trades.every(({ T }, i) => i === 0 || T >= trades[i - 1].T))
  equal('trades = aggTrades', (await bare('GET', 'trades', { query: `symbol=${SYMBOL}&limit=1000` })).body
    .map(({ id, price, qty, isBuyerMaker }) => [id, price, qty, isBuyerMaker]), trades.map(({ a, p, q, m }) => [a, p, q, m]))
  equal('from an id', (await bare('GET', 'historicalTrades', { query: `symbol=${SYMBOL}&fromId=3&limit=2` })).body
    .map(({ id }) => id), [3, 4])
  equal('from a time', (await bare('GET', 'aggTrades', { query: `symbol=${SYMBOL}&startTime=${trades[2].T}&endTime=${trades[2].T}` })).body
    .map(({ a }) => a), trades.filter(({ T }) => T === trades[2].T).map(({ a }) => a))

  for (const interval of ['1m', '5m', '1h', '1d', '1w', '1M']) {
    const candles = (await bare('GET', 'klines', { query: `symbol=${SYMBOL}&interval=${interval}` })).body
    equal(`${interval}: volume`, sum(candles, (c) => c[5]), quantity)
    equal(`${interval}: value`, sum(candles, (c) => c[7]), value)
    equal(`${interval}: trades`, candles.reduce((n, c) => n + c[8], 0), trades.length)
    equal(`${interval}: first and last price`, [atoms(candles[0][1]), atoms(candles.at(-1)[4])],
      [atoms(trades[0].p), atoms(trades.at(-1).p)])
    check(`${interval}: no gap`, candles.every((c, i) => i === 0 || c[0] === candles[i - 1][6] + 1))
  }
  equal('ccxt reads candles', (await ann.fetchOHLCV(MARKET, '1h')).at(-1)[4], Number(trades.at(-1).p))

  const ticker = (await bare('GET', 'ticker/24hr', { query: `symbol=${SYMBOL}` })).body
  equal('the ticker: volume, value, trades', [atoms(ticker.volume), atoms(ticker.quoteVolume), ticker.count],
    [quantity, value, trades.length])
  equal('its prices', [ticker.openPrice, ticker.lastPrice, ticker.firstId, ticker.lastId],
    [trades[0].p, trades.at(-1).p, 1, trades.length])
  equal('its change', atoms(ticker.priceChange), atoms(trades.at(-1).p) - atoms(trades[0].p))
  equal('ticker/price', (await bare('GET', 'ticker/price', { query: `symbols=["${SYMBOL}"]` })).body,
    [{ symbol: SYMBOL, price: trades.at(-1).p }])
  check('all tickers', Object.keys(await ann.fetchTickers()).length >= 8)
  check('all best prices', Object.keys(await ann.fetchBidsAsks()).length >= 8)
  check('the average price', atoms((await bare('GET', 'avgPrice', { query: `symbol=${SYMBOL}` })).body.price) > 0n)
  for (const ex of [ann, bob]) {
    const fills = await ex.fetchMyTrades(MARKET)
    const change = fills.reduce((total, { info }) => total + (info.isBuyer ? 1n : -1n) * atoms(info.qty), 0n)
    const paid = fills.reduce((total, { info }) => total - (info.isBuyer ? 1n : -1n) * atoms(info.quoteQty) - atoms(info.commission), 0n)
    equal('fills = balance of the base', decimal((await balance(ex, 'BTC')).free), decimal(atoms(FUNDS.BTC) + change))
    equal('fills = balance of the quote', decimal((await balance(ex, 'USD')).free), decimal(atoms(FUNDS.USD) + paid))
  }
}

/* --- The official connector -------------------------------------------------------------------------- */

async function connector() {
  const spot = new Spot(ann.owner.key, ann.owner.secret, { baseURL: url })
  const code = (wanted) => (error) => error.response?.data?.code === wanted
  equal('ping', (await spot.ping()).data, {})
  equal('exchangeInfo', (await spot.exchangeInfo({ symbol: SYMBOL })).data.symbols.length, 1)
  equal('account', (await spot.account({ omitZeroBalances: true })).data.balances.map(({ asset }) => asset), ['USD', 'BTC', 'ETH'])
  equal('newOrderTest', (await spot.newOrderTest(SYMBOL, 'BUY', 'LIMIT', { price: 60, quantity: 1, timeInForce: 'GTC' })).data, {})
  const order = (await spot.newOrder(SYMBOL, 'BUY', 'LIMIT', { price: 60, quantity: 1, timeInForce: 'GTC', newClientOrderId: 'x:1/2.3' })).data
  equal('newOrder', [order.status, order.clientOrderId, order.fills], ['NEW', 'x:1/2.3', []])
  equal('getOrder', (await spot.getOrder(SYMBOL, { origClientOrderId: 'x:1/2.3' })).data.orderId, order.orderId)
  equal('openOrders', (await spot.openOrders()).data.length, 1)
  equal('depth', (await spot.depth(SYMBOL, { limit: 5 })).data.bids, [['60.00', '1.000000']])
  equal('bookTicker', (await spot.bookTicker(SYMBOL)).data.bidPrice, '60.00')
  equal('tickers of two', (await spot.ticker24hr('', [SYMBOL, OTHER])).data.length, 2)
  equal('cancelOrder', (await spot.cancelOrder(SYMBOL, { orderId: order.orderId })).data.status, 'CANCELED')
  await refused('cancel twice', spot.cancelOrder(SYMBOL, { orderId: order.orderId }), code(-2011))
  for (const price of [61, 62]) await spot.newOrder(SYMBOL, 'BUY', 'LIMIT', { price, quantity: 1, timeInForce: 'GTC' })
  equal('cancelOpenOrders', (await spot.cancelOpenOrders(SYMBOL)).data.map(({ price }) => price), ['61.00', '62.00'])
  await refused('when there are none', spot.cancelOpenOrders(SYMBOL), code(-2011))
  check('allOrders', (await spot.allOrders(SYMBOL)).data.length > 5)
  check('myTrades', (await spot.myTrades(SYMBOL)).data.length > 2)
  check('klines', (await spot.klines(SYMBOL, '1m', { limit: 3 })).data.length >= 1)
  check('uiKlines', (await spot.uiklines(SYMBOL, '1m', { limit: 3 })).data.length >= 1)
  check('aggTrades', (await spot.aggTrades(SYMBOL, { limit: 3 })).data.length === 3)
  await refused('a stream says that there is none', spot.createListenKey(), code(-1020))
}

/* --- What no client would send ------------------------------------------------------------------------ */

async function signatures() {
  const account = ann.owner
  const query = `symbol=${SYMBOL}&side=BUY&type=LIMIT&timeInForce=GTC`
  const rest = () => `quantity=1&price=55&${now()}`
  const codes = async (what, options, status, code, path = 'account', method = 'GET') => {
    const answer = await bare(method, path, options)
    equal(what, [answer.status, answer.body.code], [status, code])
  }
  equal('in the body', (await bare('POST', 'order', { account, body: `${query}&${rest()}` })).status, 200)
  equal('in both', (await bare('POST', 'order', { account, query, body: rest() })).status, 200)
  equal('the query counts', (await bare('POST', 'order', { account, query: `${query}&price=54`, body: rest() })).body.price, '54.00')
  equal('upper case', (await bare('GET', 'account', {
    account, query: 'timestamp=1&recvWindow=1', mac: 'A'.repeat(64) })).body.code, -1021)
  await signed('DELETE', 'openOrders', account, `symbol=${SYMBOL}`)
  await codes('garbage', { account, query: now(), mac: 'no hexadecimal' }, 400, -1022)
  await codes('another\'s', { account, query: now(), mac: '0'.repeat(64) }, 400, -1022)
  await codes('none', { account, query: now(), sign: false }, 400, -1102)
  await codes('two', { account, query: `signature=1&${now()}&signature=2` }, 400, -1101)
  await codes('no key', { query: `${now()}&signature=${'0'.repeat(64)}` }, 401, -2014)
  await codes('a key of nobody', { account, key: '0'.repeat(32), query: now() }, 401, -2015)
  await codes('no time', { account, query: 'recvWindow=5000' }, 400, -1102)
  await codes('too late', { account, query: `timestamp=${Date.now() - 6000}` }, 400, -1021)
  await codes('too early', { account, query: `timestamp=${Date.now() + 5000}` }, 400, -1021)
  await codes('a window of a minute', { account, query: `timestamp=${Date.now() - 6000}&recvWindow=60000` }, 200, undefined)
  await codes('a longer one', { account, query: `recvWindow=60001&${now()}` }, 400, -1131)
  await codes('the largest time', { account, query: 'timestamp=9223372036854775807' }, 400, -1021)
  await codes('a larger one', { account, query: 'timestamp=9223372036854775808' }, 400, -1100)
}

async function garbage() {
  const order = (change) => {
    const all = { symbol: SYMBOL, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity: '1', price: '50', ...change }
    return Object.entries(all).filter(([, v]) => v !== undefined).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join('&')
  }
  const cases = [
    [{ symbol: 'NOSUCH' }, -1121], [{ symbol: 'btcusd' }, -1100], [{ symbol: undefined }, -1102], [{ symbol: 'BTC-USD' }, -1121],
    [{ side: 'HOLD' }, -1117], [{ type: 'GUESS' }, -1116], [{ type: undefined }, -1102], [{ timeInForce: 'GTX' }, -1115],
    [{ timeInForce: undefined }, -1102], [{ quantity: undefined }, -1102], [{ price: undefined }, -1102],
    [{ type: 'STOP_LOSS_LIMIT', stopPrice: '1' }, -1013], [{ icebergQty: '1' }, -1013], [{ stopPrice: '1' }, -1106],
    [{ type: 'MARKET' }, -1106], [{ type: 'MARKET', price: undefined, timeInForce: undefined, quoteOrderQty: '5' }, -1128],
    [{ type: 'MARKET', price: undefined, timeInForce: undefined, quantity: undefined }, -1102],
    [{ type: 'LIMIT_MAKER' }, -1106], [{ quantity: '0' }, -1013], [{ price: '0.00' }, -1013],
    [{ quantity: '-1' }, -1100], [{ quantity: '+1' }, -1100], [{ quantity: '1e2' }, -1100], [{ quantity: '0x10' }, -1100],
    [{ quantity: 'NaN' }, -1100], [{ quantity: '1.' }, -1100], [{ quantity: '.5' }, -1100], [{ quantity: '1 ' }, -1100],
    [{ quantity: '1,5' }, -1100], [{ quantity: '١' }, -1100], [{ quantity: '1'.repeat(21) }, -1100],
    [{ quantity: '9223372036854775807' }, -1013], [{ quantity: '9223372036854775808' }, -1013],
    [{ quantity: '99999999999999999999' }, -1013], [{ price: '9223372036854775807' }, -1013],
    [{ price: '18446744073709551616.5' }, -1013], [{ quantity: '0.0000001' }, -1013], [{ quantity: '0.000000001' }, -1111],
    [{ price: '50.001' }, -1013], [{ price: '50.0000000001' }, -1111], [{ price: '10000000.01' }, -1013],
    [{ quantity: '9000.000001' }, -1013], [{ price: '0.01', quantity: '0.01' }, -1013],
    [{ newClientOrderId: 'x'.repeat(37) }, -1100], [{ newClientOrderId: 'a b' }, -1100], [{ newClientOrderId: '\u00e9' }, -1100],
    [{ selfTradePreventionMode: 'NONE' }, -2010], [{ newOrderRespType: 'ALL' }, -1100],
    [{ quantity: '100', price: '10000000' }, -2010],
  ]
  for (const [change, code] of cases) {
    const answer = await signed('POST', 'order', ann.owner, order(change))
    equal(`order ${JSON.stringify(change)}`, [answer.status, answer.body.code], [400, code])
  }
  for (const [method, path, query, code] of [
    ['POST', 'order', `${order({})}&price=51`, -1101], ['GET', 'order', `symbol=${SYMBOL}`, -1102],
    ['GET', 'order', `symbol=${SYMBOL}&orderId=-1`, -1100], ['GET', 'order', `symbol=${SYMBOL}&orderId=0`, -2013],
    ['GET', 'order', `symbol=${SYMBOL}&orderId=9223372036854775807`, -2013],
    ['GET', 'order', `symbol=${SYMBOL}&orderId=9223372036854775808`, -1100],
    ['DELETE', 'order', `symbol=${SYMBOL}&orderId=9223372036854775807`, -2011],
    ['DELETE', 'order', `symbol=${SYMBOL}&orderId=1&origClientOrderId=not-its-name`, -2011],
    ['GET', 'allOrders', `symbol=${SYMBOL}&limit=0`, -1130], ['GET', 'myTrades', '', -1102],
  ]) {
    const answer = await signed(method, path, ann.owner, query)
    equal(`${method} ${path}?${query}`, [answer.status, answer.body.code], [400, code])
  }
  for (const [path, query, code] of [
    ['depth', '', -1102], ['depth', `symbol=${SYMBOL}&limit=x`, -1100], ['depth', `symbol=${SYMBOL}&symbol=${SYMBOL}`, -1101],
    ['klines', `symbol=${SYMBOL}`, -1102], ['klines', `symbol=${SYMBOL}&interval=7m`, -1120],
    ['klines', `symbol=${SYMBOL}&interval=1m&timeZone=15`, -1130], ['ticker/price', 'symbols=[]', -1100],
    ['ticker/price', `symbols=["${SYMBOL}","${SYMBOL}"]`, -1151], ['ticker/price', 'symbols=["NOSUCH"]', -1121],
    ['ticker/price', `symbol=${SYMBOL}&symbols=["${SYMBOL}"]`, -1128], ['ticker/24hr', `symbol=${SYMBOL}&type=ALL`, -1130],
    ['exchangeInfo', 'symbol=NOSUCH', -1121],
  ]) {
    const answer = await bare('GET', path, { query })
    equal(`GET ${path}?${query}`, [answer.status, answer.body.code], [400, code])
  }
  equal('times at the edge', (await bare('GET', 'klines', {
    query: `symbol=${SYMBOL}&interval=1M&startTime=0&endTime=9223372036854775807` })).status, 200)
  equal('and of trades', (await bare('GET', 'aggTrades', {
    query: `symbol=${SYMBOL}&startTime=9223372036854775807&endTime=9223372036854775807` })).body, [])
  equal('nothing of it was placed', (await signed('GET', 'openOrders', ann.owner, '')).body, [])
}

await run([startingConditions, markets, limitOrders, trading, selfTrade, sameName, priority, tape, connector, signatures, garbage])
