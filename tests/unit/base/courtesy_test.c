/* Short slices are of the thread that asks, and of nothing that it starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/courtesy.h"

#define DENIED 77

/* As in <linux/sched/types.h>. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static uint64_t slice_ns(void)
{
    struct attributes a = { .size = sizeof a };

    assert_int_equal(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0), 0);
    return a.runtime;
}

static void *note_slice(void *arg)
{
    *(uint64_t *)arg = slice_ns();
    return NULL;
}

static void short_slice_is_of_its_thread_alone(void **state)
{
    const uint64_t normal_ns = slice_ns();
    uint64_t of_thread_ns = 0, short_ns;
    pthread_t thread;

    (void)state;
    sx_courtesy_slice_short();
    short_ns = slice_ns();
    assert_int_equal(pthread_create(&thread, NULL, note_slice, &of_thread_ns), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    sx_courtesy_slice_normal();

    assert_true(short_ns <= normal_ns); /* the same where the kernel takes none: before 6.12 */
    assert_int_equal(of_thread_ns, normal_ns);
    assert_int_equal(slice_ns(), normal_ns);
}

/* Only root may ask for it. */
static void precedence_is_left_to_what_is_started(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        int failed = 1;

        if (setpriority(PRIO_PROCESS, 0, -5) != 0)
            _exit(DENIED);
        sx_courtesy_slice_short();
        pid = fork();
        if (pid == 0)
            _exit(getpriority(PRIO_PROCESS, 0) == -5 ? 0 : 1);
        (void)waitpid(pid, &failed, 0);
        _exit(failed == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == DENIED)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_slice_is_of_its_thread_alone),
        cmocka_unit_test(precedence_is_left_to_what_is_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
