/*
 * idle.c - many idle connections.
 *
 *     idle PORT COUNT PATH
 *
 * Opens the connections, asks once on each, prints "open" and keeps them until its standard
 * input ends.
 */
#include <sys/resource.h>

#include "client.h"

int main(int argc, char **argv)
{
    const size_t count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    struct rlimit limit = { count + 64, count + 64 };

    if (count == 0 || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        perror("idle: cannot open as many files");
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        int fd = client_connect(argv[1]);

        if (fd < 0 || client_ask(fd, argv[3]) != 200) {
            perror("idle");
            return 1;
        }
    }
    (void)puts("open");
    (void)fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
