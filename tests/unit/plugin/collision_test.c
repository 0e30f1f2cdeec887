/*
 * Keys of a JSON object that a client chose so that they meet in one bucket: they do so for one
 * seed of the hash, and the seed of a process is random.
 *
 * Two processes fill an object with them, one with the seed for which they were made.  That one
 * shows that the keys are what they should be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEED      12345u
#define KEYS      6000u
#define BUCKETS   8192u /* of jansson for so many keys */
#define KEY_BYTES 12u

static uint32_t rotated(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

/* jansson's hash, Bob Jenkins' lookup3, of a key of 12 bytes. */
static uint32_t hash_of(const char key[KEY_BYTES], uint32_t seed)
{
    uint32_t a, b, c, k[3];

    memcpy(k, key, sizeof k);
    a = b = c = 0xdeadbeef + KEY_BYTES + seed;
    a += k[0];
    b += k[1];
    c += k[2];
    c = (c ^ b) - rotated(b, 14);
    a = (a ^ c) - rotated(c, 11);
    b = (b ^ a) - rotated(a, 25);
    c = (c ^ b) - rotated(b, 16);
    a = (a ^ c) - rotated(c, 4);
    b = (b ^ a) - rotated(a, 14);
    return (c ^ b) - rotated(b, 24);
}

struct key {
    char text[KEY_BYTES + 1];
};

/* The next number in decimal digits. */
static void count_up(char key[KEY_BYTES])
{
    size_t i = KEY_BYTES - 1;

    while (key[i] == '9')
        key[i--] = '0';
    key[i]++;
}

/* Keys that have the same place for SEED. */
static struct key *colliding_keys(void)
{
    struct key *keys = calloc(KEYS, sizeof *keys);
    char key[KEY_BYTES + 1] = "000000000000";

    assert_non_null(keys);
    for (uint32_t n = 0; n < KEYS; count_up(key))
        if (hash_of(key, SEED) % BUCKETS == 0)
            memcpy(keys[n++].text, key, sizeof key);
    return keys;
}

static void fill(const struct key *keys, bool knows_seed, double *ret_s)
{
    struct timespec from, until;
    json_t *object;

    if (knows_seed)
        json_object_seed(SEED);
    object = json_object(); /* seeds it, where it is not */
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    for (uint32_t i = 0; i < KEYS; i++)
        (void)json_object_set_new_nocheck(object, keys[i].text, json_true());
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &until);
    if (json_object_size(object) == KEYS)
        *ret_s = (double)(until.tv_sec - from.tv_sec) +
                 (double)(until.tv_nsec - from.tv_nsec) / 1e9;
    json_decref(object);
}

/* CPU time of a process of its own, since a seed is set once. */
static double cost_of(const struct key *keys, bool knows_seed)
{
    double cost_s = -1;
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fill(keys, knows_seed, &cost_s);
        _exit(write(ends[1], &cost_s, sizeof cost_s) == sizeof cost_s ? 0 : 1);
    }
    assert_int_equal(read(ends[0], &cost_s, sizeof cost_s), sizeof cost_s);
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_true(cost_s > 0);
    return cost_s;
}

static void keys_that_collide_for_one_seed_do_not_for_ours(void **state)
{
    struct key *keys = colliding_keys();
    double known_s = cost_of(keys, true), random_s = cost_of(keys, false);

    (void)state;
    free(keys);
    if (known_s < 3 * random_s)
        fail_msg("with the seed they cost %.1f ms, without %.1f ms", known_s * 1e3, random_s * 1e3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_collide_for_one_seed_do_not_for_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
