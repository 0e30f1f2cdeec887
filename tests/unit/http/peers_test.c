/* Connections by client: counted, limited, given back, and whose addresses are one client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "http/peers.h"

#define MANY 5000

union peer {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

static union peer peer_of(const char *text)
{
    union peer p;

    memset(&p, 0, sizeof p);
    if (inet_pton(AF_INET, text, &p.v4.sin_addr) == 1) {
        p.v4.sin_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &p.v6.sin6_addr), 1);
        p.v6.sin6_family = AF_INET6;
    }
    return p;
}

static union peer numbered(uint32_t i)
{
    union peer p = { .v4 = { .sin_family = AF_INET, .sin_addr = { htonl(0x0a000000 + i) } } };

    return p;
}

static int setup(void **state)
{
    return sx_peers_create(2, (struct sx_peers **)state);
}

static int teardown(void **state)
{
    sx_peers_destroy(*state);
    return 0;
}

static void gives_each_client_its_share_and_takes_it_back(void **state)
{
    struct sx_peers *p = *state;
    union peer a = peer_of("192.0.2.1"), b = peer_of("192.0.2.2");

    assert_true(sx_peers_enter(p, &a.any) && sx_peers_enter(p, &a.any));
    assert_false(sx_peers_enter(p, &a.any));
    assert_true(sx_peers_enter(p, &b.any));

    sx_peers_leave(p, &a.any);
    assert_true(sx_peers_enter(p, &a.any));
    assert_false(sx_peers_enter(p, &a.any));
    assert_int_equal(sx_peers_count(p), 2);
}

static void takes_a_network_of_ipv6_for_one_client(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_same;
    } cases[] = {
        { "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true },
        { "2001:db8:0:1::1", "2001:db8:0:2::1", false },
        { "::ffff:192.0.2.1", "192.0.2.1", true },
        { "::", "0.0.0.0", false },
        { "c000:201::", "192.0.2.1", false },
    };
    struct sx_peers *p = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        union peer a = peer_of(cases[i].a), b = peer_of(cases[i].b);

        assert_true(sx_peers_enter(p, &a.any) && sx_peers_enter(p, &a.any));
        if (sx_peers_enter(p, &b.any) == cases[i].is_same)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        if (!cases[i].is_same)
            sx_peers_leave(p, &b.any);
        sx_peers_leave(p, &a.any);
        sx_peers_leave(p, &a.any);
    }
    assert_int_equal(sx_peers_count(p), 0);
}

static void does_not_count_a_unix_socket(void **state)
{
    union peer un = { .un = { .sun_family = AF_UNIX } };

    for (int i = 0; i < 10; i++)
        assert_true(sx_peers_enter(*state, &un.any));
    assert_int_equal(sx_peers_count(*state), 0);
}

/* Against a plain array, in an order that is random but the same each time. */
static void keeps_count_of_many_that_come_and_go(void **state)
{
    static uint32_t counts[MANY];
    struct sx_peers *p = *state;
    uint32_t n_distinct = 0, x = 1;

    for (int step = 0; step < 40 * MANY; step++) {
        union peer peer;
        uint32_t i;
        bool is_coming;

        x = x * 1664525 + 1013904223;
        i = (x >> 8) % MANY;
        is_coming = step < 20 * MANY ? (x >> 30) != 0 : (x >> 30) == 0; /* first more, then fewer */
        peer = numbered(i);
        if (is_coming) {
            assert_int_equal(sx_peers_enter(p, &peer.any), counts[i] < 2);
            n_distinct += counts[i] == 0;
            counts[i] += counts[i] < 2;
        } else if (counts[i] > 0) {
            sx_peers_leave(p, &peer.any);
            n_distinct -= --counts[i] == 0;
        }
        assert_int_equal(sx_peers_count(p), n_distinct);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gives_each_client_its_share_and_takes_it_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(takes_a_network_of_ipv6_for_one_client, setup, teardown),
        cmocka_unit_test_setup_teardown(does_not_count_a_unix_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_count_of_many_that_come_and_go, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
