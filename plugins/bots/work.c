/*
 * work.c - one turn of the simulated traders: every instrument that is due takes a step.
 *
 * A step is counted before it is taken, by an UPDATE that only one can win; then the market is
 * read, the dealer's quotes are brought up to date, one trader arrives, and orders that are old or
 * far away are taken back.  Each order is a statement and so a transaction of its own.  A statement
 * that fails ends the turn; the host waits longer and longer before it calls the next one.
 */
#include "bots.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "chance.h"
#include "dealer.h"

#define REFRESH_NS  INT64_C(5000000000) /* so old is what is known of the instruments at most */
#define TURN_NS     INT64_C(2000000000) /* after that the next turn goes on */
#define WARM_STEPS  24                  /* the first ones follow at once: a market with a past */
#define FIRST_PRICE 100.0               /* of the artist who ranks first, in the quote */
#define MAX_OWN     256                 /* open orders of one instrument that are looked at */
#define MAX_OPEN    60                  /* of its traders, above which the oldest go */
#define MAX_RETURNS 8                   /* of traders' orders in one step */
#define FAR_AWAY    0.12                /* from the value: out of the book */

/* What a step did. */
struct score {
    int64_t placed, traded, canceled, refused, passed, deposits;
};

/* Everything of one step. */
struct step {
    struct bots *b;
    sx_db *db;
    const struct instrument *it;
    struct crew *crew;
    struct terms terms;
    struct seen seen;
    uint64_t number;
    double value; /* ticks */
    struct score score;
};

/* An open order of a trader. */
struct resting {
    int64_t id, account, price;
    int64_t age_us;
};

static int64_t now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* --- What it is worth ------------------------------------------------------------------- */

static const struct series *series_of(const struct bots *b, const char *symbol)
{
    for (size_t i = 0; i < b->n_series; i++)
        if (strcmp(b->series[i].symbol, symbol) == 0)
            return &b->series[i];
    return NULL;
}

static double value_at(const struct bots *b, const struct instrument *it, uint64_t step)
{
    const struct series *s = series_of(b, it->symbol);
    const double ticks = pow(10, it->tick_scale);

    if (s != NULL)
        return s->prices[step / (uint64_t)b->series_steps % s->n] * ticks;
    return FIRST_PRICE / sqrt(it->ranking > 0 ? it->ranking : 1) * ticks *
           exp(chance_value(b->seed, it->symbol, step));
}

static struct terms terms_of(const struct bots *b, const struct instrument *it)
{
    return (struct terms){ .seed = b->seed,
                           .symbol = it->symbol,
                           .lots_per_unit = lots_per_unit(it),
                           .max_ticks = it->max_ticks,
                           .max_lots = it->max_lots,
                           .maker = it->maker_ppm / 1e6,
                           .taker = it->taker_ppm / 1e6 };
}

/* --- Orders -------------------------------------------------------------------------------- */

static int place(struct step *s, const struct credential *who, const struct order_request *q)
{
    sx_param params[ORDER_PLACE_N];
    const sx_rows *rows;
    struct order o;

    if (is_stopping(s->b))
        return SX_ECLOSED;
    order_params(who, q, params);
    rows = sx_db_exec(s->db, ORDER_PLACE_SQL, (sx_params){ params, ORDER_PLACE_N });
    if (rows == NULL)
        return SX_EDB;
    if (strcmp(sx_text_at(rows, 0, 0), "ok") != 0) {
        s->score.refused++;
        if (strcmp(sx_text_at(rows, 0, 0), "no_account") == 0) { /* its key was renewed */
            s->crew->is_known = false;
            s->b->refreshed_ns = 0;
        }
        return SX_OK;
    }
    s->score.placed++;
    s->score.traded += order_read(&s->b->instruments, rows, 0, 1, &o) && o.filled > 0;
    return SX_OK;
}

static int take_back(struct step *s, int64_t account, int64_t id)
{
    const struct credential *who = &s->crew->dealer;
    const sx_rows *rows;

    for (int i = 0; i < N_TRADERS; i++)
        if (s->crew->traders[i].account == account)
            who = &s->crew->traders[i];
    if (is_stopping(s->b))
        return SX_ECLOSED;
    rows = sx_db_exec(
        s->db, ORDER_CANCEL_SQL,
        SX_PARAMS(sx_int(who->account), sx_int(who->generation), sx_null(), sx_int(id), sx_null()));
    if (rows == NULL)
        return SX_EDB;
    s->score.canceled += strcmp(sx_text_at(rows, 0, 0), "ok") == 0;
    return SX_OK;
}

/* --- What is seen -------------------------------------------------------------------------- */

#define BEST_LEVELS(side)                                                                   \
    "(SELECT side, price, lots FROM book_levels WHERE instrument = $1 AND side = " side " " \
    "ORDER BY key LIMIT 10)"

static int see_market(struct step *s)
{
    const sx_rows *rows = sx_db_exec(
        s->db,
        "SELECT 0, last_price, 0 FROM markets WHERE instrument = $1 UNION ALL " BEST_LEVELS(
            "1") " UNION ALL " BEST_LEVELS("-1"),
        SX_PARAMS(sx_int(s->it->id)));

    if (rows == NULL)
        return SX_EDB;
    s->seen = (struct seen){ 0 };
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        const int64_t side = sx_int_at(rows, i, 0);
        const struct level level = { sx_int_at(rows, i, 1), sx_int_at(rows, i, 2) };

        if (side == 0)
            s->seen.last = level.price;
        else if (side > 0 && s->seen.n_bids < SEEN_LEVELS)
            s->seen.bids[s->seen.n_bids++] = level;
        else if (side < 0 && s->seen.n_asks < SEEN_LEVELS)
            s->seen.asks[s->seen.n_asks++] = level;
    }
    return SX_OK;
}

/* The open orders of the crew, the oldest first. */
static int see_orders(struct step *s, struct standing *dealers, size_t *ret_n_dealers,
                      struct resting *traders, size_t *ret_n_traders)
{
    const sx_rows *rows = sx_db_exec(
        s->db,
        "SELECT id, account, side, price, lots - filled - reduced, "
        "(extract(epoch FROM clock_timestamp() - created_at) * 1000000)::bigint "
        "FROM orders WHERE account = ANY ($1::bigint[]) AND done_seq IS NULL AND instrument = $2 "
        "ORDER BY id LIMIT 256",
        SX_PARAMS(sx_text(s->crew->ids), sx_int(s->it->id)));

    if (rows == NULL)
        return SX_EDB;
    *ret_n_dealers = *ret_n_traders = 0;
    for (uint32_t i = 0; i < sx_count(rows) && i < MAX_OWN; i++) {
        const int64_t id = sx_int_at(rows, i, 0), account = sx_int_at(rows, i, 1);
        const int64_t price = sx_int_at(rows, i, 3);

        if (account == s->crew->dealer.account)
            dealers[(*ret_n_dealers)++] = (struct standing){
                .id = id,
                .side = (int32_t)sx_int_at(rows, i, 2),
                .price = price,
                .lots = sx_int_at(rows, i, 4),
            };
        else
            traders[(*ret_n_traders)++] = (struct resting){ id, account, price,
                                                            sx_int_at(rows, i, 5) };
    }
    return SX_OK;
}

/* --- What is done -------------------------------------------------------------------------- */

static int return_orders(struct step *s, const struct resting *orders, size_t n)
{
    int n_returned = 0, err = SX_OK;

    for (size_t i = 0; i < n && n_returned < MAX_RETURNS && err == SX_OK; i++) {
        const double distance = fabs((double)orders[i].price - s->value);

        if (orders[i].age_us < s->b->order_ttl_us && distance < FAR_AWAY * s->value &&
            n - i <= MAX_OPEN)
            continue;
        err = take_back(s, orders[i].account, orders[i].id);
        n_returned++;
    }
    return err;
}

/* Stale quotes are taken back before new ones are placed, so that the two never meet. */
static int deal(struct step *s, int64_t inventory, struct standing *orders, size_t n_orders)
{
    const double opinion = dealer_opinion(s->value, s->seen.last);
    struct quote quotes[2 * DEALER_LEVELS];
    size_t n = dealer_quotes(&s->terms, opinion, inventory, quotes);
    int err = SX_OK;

    n = dealer_compare(orders, n_orders, quotes, n, opinion);
    for (size_t i = 0; i < n_orders && err == SX_OK; i++)
        if (!orders[i].stays)
            err = take_back(s, s->crew->dealer.account, orders[i].id);
    for (size_t i = 0; i < n && err == SX_OK; i++) {
        const struct order_request q = { .symbol = s->it->symbol,
                                         .side = quotes[i].side,
                                         .price = quotes[i].price,
                                         .lots = quotes[i].lots,
                                         .tif = "GTC",
                                         .post_only = true,
                                         .stp = "dc" };

        err = place(s, &s->crew->dealer, &q);
    }
    return err;
}

static int arrive(struct step *s)
{
    const struct arrival a = arrival_decide(&s->terms, &s->seen, s->value, s->number);
    const struct order_request q = { .symbol = s->it->symbol,
                                     .side = a.side,
                                     .is_market = a.kind == ARRIVAL_MARKET,
                                     .price = a.price,
                                     .lots = a.lots,
                                     .tif = a.kind == ARRIVAL_MARKET ? "IOC" : "GTC",
                                     .stp = "co" };

    if (a.kind == ARRIVAL_PASSES) {
        s->score.passed++;
        return SX_OK;
    }
    return place(s, &s->crew->traders[a.trader], &q);
}

static int take_step(struct step *s)
{
    struct standing dealers[MAX_OWN];
    struct resting traders[MAX_OWN];
    size_t n_dealers = 0, n_traders = 0;
    int64_t inventory = 0;
    int err = crew_pay(s->crew, s->db, s->it, s->value, &inventory, &s->score.deposits);

    if (err == SX_OK)
        err = see_orders(s, dealers, &n_dealers, traders, &n_traders);
    if (err == SX_OK)
        err = see_market(s);
    if (err == SX_OK)
        err = deal(s, inventory, dealers, n_dealers);
    if (err == SX_OK)
        err = see_market(s);
    if (err == SX_OK)
        err = arrive(s);
    if (err == SX_OK)
        err = return_orders(s, traders, n_traders);
    return err;
}

/* --- Steps --------------------------------------------------------------------------------- */

/* Whether this step is ours: counted before it is taken, so that nobody takes it twice. */
static int claim(struct step *s, bool *ret_is_ours)
{
    const int64_t gap_us = s->number < WARM_STEPS
                               ? 0
                               : arrival_gap_us(&s->terms, s->number, s->b->per_minute);
    const sx_rows *rows = sx_db_exec(
        s->db,
        "UPDATE progress SET step = step + 1, acted_at = clock_timestamp(), next_at = "
        "greatest(next_at, clock_timestamp() - interval '5 seconds') + $3::bigint * interval "
        "'1 microsecond' WHERE symbol = $1 AND step = $2",
        SX_PARAMS(sx_text(s->it->symbol), sx_int((int64_t)s->number), sx_int(gap_us)));

    if (rows == NULL)
        return SX_EDB;
    *ret_is_ours = sx_affected(rows) == 1;
    return SX_OK;
}

static int keep_score(const struct step *s)
{
    const struct score *x = &s->score;

    return sx_db_exec(s->db,
                      "UPDATE progress SET placed = placed + $2, traded = traded + $3, canceled = "
                      "canceled + $4, refused = refused + $5, passed = passed + $6, deposits = "
                      "deposits + $7 WHERE symbol = $1",
                      SX_PARAMS(sx_text(s->it->symbol), sx_int(x->placed), sx_int(x->traded),
                                sx_int(x->canceled), sx_int(x->refused), sx_int(x->passed),
                                sx_int(x->deposits))) == NULL
               ? SX_EDB
               : SX_OK;
}

static int step_once(struct bots *b, sx_db *db, const char *symbol, uint64_t number, size_t *n)
{
    const struct instrument *it = instrument_by_symbol(&b->instruments, symbol);
    struct step s = { .b = b, .db = db, .it = it, .number = number };
    bool is_ours = false;
    size_t place_of = 0;
    int err;

    while (place_of < b->instruments.n && b->instruments.v[place_of] != it)
        place_of++;
    if (it == NULL || !b->crews[place_of].is_known)
        return SX_OK;
    s.crew = &b->crews[place_of];
    s.terms = terms_of(b, it);
    s.value = value_at(b, it, number);
    err = claim(&s, &is_ours);
    *n += is_ours;
    if (err < 0 || !is_ours || strcmp(it->status, "online") != 0)
        return err;
    err = take_step(&s);
    return err < 0 ? err : keep_score(&s);
}

static bool is_wanted(const struct bots *b, const struct instrument *it)
{
    const json_t *symbol;
    size_t i;

    if (json_array_size(b->symbols) == 0)
        return it->ranking > 0;
    json_array_foreach(b->symbols, i, symbol)
    {
        if (strcmp(json_string_value(symbol), it->symbol) == 0)
            return true;
    }
    return false;
}

/* What is traded, and who trades it. */
static int refresh(struct bots *b, sx_db *db)
{
    const sx_rows *rows;
    int err = SX_OK;

    if (b->refreshed_ns != 0 && now_ns() - b->refreshed_ns < REFRESH_NS)
        return SX_OK;
    rows = sx_db_exec(db, INSTRUMENT_SQL, SX_NONE);
    if (rows == NULL)
        return SX_EDB;
    err = instruments_read(&b->instruments, rows);
    for (size_t i = 0; i < b->instruments.n && err == SX_OK; i++) {
        const struct instrument *it = b->instruments.v[i];

        if (!b->crews[i].is_known && is_wanted(b, it) && strcmp(it->status, "online") == 0)
            err = crew_find(&b->crews[i], db, it, value_at(b, it, 0));
    }
    if (err == SX_OK)
        b->refreshed_ns = now_ns();
    return err;
}

/* One step of each instrument that is due; how many were taken. */
static int step_all(struct bots *b, sx_db *db, size_t *ret_n)
{
    struct {
        char symbol[INSTRUMENT_SYMBOL];
        uint64_t step;
    } due[INSTRUMENT_MAX] = { { .step = 0 } };
    const sx_rows *rows = sx_db_exec(
        db, "SELECT symbol, step FROM progress WHERE next_at <= clock_timestamp() ORDER BY next_at",
        SX_NONE);
    size_t n = 0, n_taken = 0;
    int err = SX_OK;

    if (rows == NULL)
        return SX_EDB;
    for (uint32_t i = 0; i < sx_count(rows) && n < INSTRUMENT_MAX; i++, n++) {
        (void)snprintf(due[n].symbol, sizeof due[n].symbol, "%s", sx_text_at(rows, i, 0));
        due[n].step = (uint64_t)sx_int_at(rows, i, 1);
    }
    for (size_t i = 0; i < n && err == SX_OK; i++)
        err = step_once(b, db, due[i].symbol, due[i].step, &n_taken);
    *ret_n = n_taken;
    return err;
}

int work_once(sx_plugin *p, sx_db *db, void *arg)
{
    struct bots *b = arg;
    const int64_t begun_ns = now_ns();
    size_t n = 1;
    int err = refresh(b, db);

    (void)p;
    while (err == SX_OK && n > 0 && !is_stopping(b) && now_ns() - begun_ns < TURN_NS)
        err = step_all(b, db, &n);
    return err == SX_ECLOSED ? SX_OK : err;
}
