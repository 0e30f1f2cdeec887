/* Tests of core/http/proxy.c. */
#include "http/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/un.h>

#include "base/error.h"

#define N(a) (sizeof(a) / sizeof *(a))

union peer {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

/* "unix" or an address. */
static const struct sockaddr *make_peer(union peer *p, const char *text)
{
    memset(p, 0, sizeof *p);
    if (strcmp(text, "unix") == 0) {
        p->un.sun_family = AF_UNIX;
    } else if (strchr(text, ':') != NULL) {
        p->v6.sin6_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &p->v6.sin6_addr), 1);
    } else {
        p->v4.sin_family = AF_INET;
        assert_int_equal(inet_pton(AF_INET, text, &p->v4.sin_addr), 1);
    }
    return &p->any;
}

static void blocks_hold_what_is_inside_of_them(void **state)
{
    static const struct {
        const char *item, *peer;
        bool is_trusted;
    } cases[] = {
        { "10.0.0.0/8", "10.0.0.0", true },
        { "10.0.0.0/8", "10.255.255.255", true },
        { "10.0.0.0/8", "11.0.0.0", false },
        { "10.0.0.0/8", "::ffff:10.1.2.3", true },
        { "10.0.0.0/8", "::10.1.2.3", false },
        { "10.0.0.0/8", "unix", false },
        { "192.168.4.0/22", "192.168.7.255", true },
        { "192.168.4.0/22", "192.168.8.0", false },
        { "1.2.3.4", "1.2.3.4", true },
        { "1.2.3.4", "1.2.3.5", false },
        { "1.2.3.4/32", "1.2.3.4", true },
        { "0.0.0.0/0", "9.9.9.9", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "2001:db8::1", true },
        { "::/0", "9.9.9.9", true },
        { "::1", "::1", true },
        { "::1", "::2", false },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
        { "::ffff:10.0.0.0/104", "10.3.4.5", true },
        { "unix", "unix", true },
        { "unix", "127.0.0.1", false },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_proxies *p = NULL;
        union peer peer;

        assert_int_equal(sx_proxies_create(&cases[i].item, 1, NULL, &p), 0);
        assert_int_equal(sx_proxies_trust(p, make_peer(&peer, cases[i].peer)), cases[i].is_trusted);
        sx_proxies_destroy(p);
    }
}

static void malformed_items_are_named(void **state)
{
    static const char *const bad[] = {
        "",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8x",
        "10.0.0/8",
        "10.0.0.1/8",
        "::1/129",
        "::1/64",
        "localhost",
        "Unix",
        "10.0.0.0/8/8",
        "[::1]",
        "/8",
        "1.2.3.4.5",
        " 1.2.3.4",
        "fe80::1%eth0",
    };

    (void)state;
    for (size_t i = 0; i < N(bad); i++) {
        const char *items[] = { "10.0.0.0/8", bad[i] };
        struct sx_proxies *p = NULL;
        size_t at = 99;

        if (sx_proxies_create(items, 2, &at, &p) != SX_ERR_INVALID)
            fail_msg("accepted \"%s\"", bad[i]);
        assert_int_equal(at, 1);
        assert_null(p);
    }
}

static void the_client_is_the_first_untrusted_from_the_right(void **state)
{
    static const struct {
        const char *peer, *xff, *client;
    } cases[] = {
        { "9.9.9.9", "1.1.1.1", "9.9.9.9" },
        { "9.9.9.9", NULL, "9.9.9.9" },
        { "10.0.0.1", NULL, "10.0.0.1" },
        { "10.0.0.1", "", "10.0.0.1" },
        { "10.0.0.1", "1.1.1.1", "1.1.1.1" },
        { "::ffff:10.0.0.1", "1.1.1.1", "1.1.1.1" },
        { "::ffff:9.9.9.9", "1.1.1.1", "9.9.9.9" },
        { "10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1" },
        { "10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1" },
        { "10.0.0.1", "6.6.6.6,1.1.1.1 ,\t10.0.0.2,10.0.0.3", "1.1.1.1" },
        { "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3" },
        { "10.0.0.1", "1.1.1.1, unknown", "10.0.0.1" },
        { "10.0.0.1", "1.1.1.1, unknown, 10.0.0.2", "10.0.0.2" },
        { "10.0.0.1", "1.1.1.1, , 10.0.0.2", "10.0.0.2" },
        { "10.0.0.1", "1.1.1.1,", "10.0.0.1" },
        { "10.0.0.1", "1.1.1.1:4711", "1.1.1.1" },
        { "10.0.0.1", "1.1.1.1:", "10.0.0.1" },
        { "10.0.0.1", "1.1.1.1:99999", "10.0.0.1" },
        { "10.0.0.1", "2001:DB8::0:1", "2001:db8::1" },
        { "10.0.0.1", "[2001:db8::1]", "2001:db8::1" },
        { "10.0.0.1", "[2001:db8::1]:80", "2001:db8::1" },
        { "10.0.0.1", "[2001:db8::1]x", "10.0.0.1" },
        { "10.0.0.1", "[1.1.1.1]", "10.0.0.1" },
        { "10.0.0.1", "[2001:db8::1", "10.0.0.1" },
        { "10.0.0.1", "::ffff:1.1.1.1", "1.1.1.1" },
        { "10.0.0.1", "\"1.1.1.1\"", "10.0.0.1" },
        { "10.0.0.1", "1.1.1.1 2.2.2.2", "10.0.0.1" },
        { "10.0.0.1", "<script>", "10.0.0.1" },
        { "unix", "1.1.1.1, 10.9.9.9", "1.1.1.1" },
        { "unix", NULL, "unix" },
    };
    const char *const items[] = { "10.0.0.0/8", "unix" };
    struct sx_proxies *p = NULL;

    (void)state;
    assert_int_equal(sx_proxies_create(items, 2, NULL, &p), 0);
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_forwarded fwd = { .xff = sx_slice_of(cases[i].xff) };
        struct sx_client client;
        union peer peer;

        sx_client_find(p, make_peer(&peer, cases[i].peer), &fwd, &client);
        assert_string_equal(client.address, cases[i].client);
    }
    sx_proxies_destroy(p);
}

static void scheme_and_host_come_from_trusted_peers_only(void **state)
{
    static const struct {
        const char *peer, *proto, *host, *scheme, *told;
    } cases[] = {
        { "10.0.0.1", "https", "a.example", "https", "a.example" },
        { "10.0.0.1", "HTTPS", "a.example:81", "https", "a.example:81" },
        { "10.0.0.1", "http, https", "evil, a.example", "https", "a.example" },
        { "10.0.0.1", "https, http", "a.example, b c", "http", NULL },
        { "10.0.0.1", "wss", "", "http", NULL },
        { "10.0.0.1", NULL, NULL, "http", NULL },
        { "10.0.0.1", "https,", "a.example,", "http", NULL },
        { "9.9.9.9", "https", "a.example", "http", NULL },
    };
    const char *const items[] = { "10.0.0.0/8" };
    struct sx_proxies *p = NULL;

    (void)state;
    assert_int_equal(sx_proxies_create(items, 1, NULL, &p), 0);
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_forwarded fwd = { .proto = sx_slice_of(cases[i].proto),
                                    .host = sx_slice_of(cases[i].host) };
        struct sx_client client;
        union peer peer;

        sx_client_find(p, make_peer(&peer, cases[i].peer), &fwd, &client);
        assert_string_equal(client.scheme, cases[i].scheme);
        assert_int_equal(client.host.data == NULL, cases[i].told == NULL);
        assert_true(sx_slice_is(client.host, cases[i].told));
    }
    sx_proxies_destroy(p);
}

static void without_a_list_nobody_is_trusted(void **state)
{
    struct sx_forwarded fwd = { sx_slice_of("1.1.1.1"), sx_slice_of("https"), sx_slice_of("a") };
    struct sx_client client;
    union peer peer;

    (void)state;
    sx_client_find(NULL, make_peer(&peer, "127.0.0.1"), &fwd, &client);
    assert_string_equal(client.address, "127.0.0.1");
    assert_string_equal(client.scheme, "http");
    assert_null(client.host.data);
    sx_client_find(NULL, NULL, &fwd, &client);
    assert_string_equal(client.address, "unix");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_hold_what_is_inside_of_them),
        cmocka_unit_test(malformed_items_are_named),
        cmocka_unit_test(the_client_is_the_first_untrusted_from_the_right),
        cmocka_unit_test(scheme_and_host_come_from_trusted_peers_only),
        cmocka_unit_test(without_a_list_nobody_is_trusted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
