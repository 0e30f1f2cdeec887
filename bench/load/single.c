/*
 * single.c - how long one client waits on one connection.
 *
 *     single PORT COUNT PATH…
 *
 * Asks for the paths by turns, COUNT times each, and prints the median in nanoseconds of each.
 */
#include "client.h"

#define MAX_PATHS 8

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    const size_t count = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
    const int n_paths = argc - 3;
    uint64_t *times[MAX_PATHS];
    int fd = argc > 3 ? client_connect(argv[1]) : -1;

    if (fd < 0 || count == 0 || n_paths > MAX_PATHS)
        return 1;
    for (int i = 0; i < n_paths; i++)
        times[i] = calloc(count, sizeof **times);
    for (size_t at = 0; at < count; at++) {
        for (int i = 0; i < n_paths; i++) {
            uint64_t since = client_now_ns();

            if (times[i] == NULL || client_ask(fd, argv[3 + i]) != 200)
                return 1;
            times[i][at] = client_now_ns() - since;
        }
    }
    for (int i = 0; i < n_paths; i++) {
        qsort(times[i], count, sizeof **times, by_value);
        (void)printf("%llu\n", (unsigned long long)times[i][count / 2]);
        free(times[i]);
    }
    return 0;
}
