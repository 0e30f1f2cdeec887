/*
 * stamp.c - stands before the program as the first process of a container: tells the time, in
 * nanoseconds since 1970, and becomes the program.  What an engine does before is not counted then.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now;

    if (argc < 2 || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return 1;
    (void)dprintf(STDERR_FILENO, "%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    (void)execv(argv[1], argv + 1);
    return 1;
}
