/*
 * first.c - how long it takes from exec to the first answer.
 *
 *     first PORT PATH CPU COMMAND…
 *
 * Starts the command on that CPU (this program should run on another one), asks for the path
 * until the answer is 200, prints the nanoseconds, ends the command with TERM and waits for it.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "client.h"

#define GIVE_UP_NS UINT64_C(15000000000)

static void pin(const char *cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(strtoul(cpu, NULL, 10), &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

/* Nanoseconds, or 0 when there was no such answer in time. */
static uint64_t wait_for_answer(const char *port, const char *path, uint64_t since)
{
    uint64_t now;

    do {
        int fd = client_connect(port), status = -1;

        if (fd >= 0) {
            status = client_ask(fd, path);
            (void)close(fd);
        }
        now = client_now_ns();
        if (status == 200)
            return now - since;
    } while (now - since < GIVE_UP_NS);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t since, took;
    pid_t child;

    if (argc < 5)
        return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    child = fork();
    if (child < 0)
        return 1;
    if (child == 0) {
        (void)setpgid(0, 0);
        (void)signal(SIGPIPE, SIG_DFL);
        pin(argv[3]);
        (void)execvp(argv[4], argv + 4);
        _exit(127);
    }
    since = client_now_ns();
    took = wait_for_answer(argv[1], argv[2], since);
    (void)kill(child, took == 0 ? SIGKILL : SIGTERM);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    (void)kill(-child, SIGKILL); /* what it left behind */
    (void)printf("%llu\n", (unsigned long long)took);
    return took == 0;
}
