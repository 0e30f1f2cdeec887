/*
 * worker/seccomp.c - the filter of system calls, and what the kernel offers for it.
 *
 * Written as a plain list of comparisons: the kernel runs it once for every number and remembers
 * those that are allowed whatever their arguments (5.11 and later), so its length costs a serving
 * worker nothing.  What is denied raises SIGSYS, of which fault.c tells.
 *
 * The filters hold for the process to its end and for all its threads.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/denied.h"
#include "base/error.h"
#include "base/sandbox.h"
#include "worker/worker_private.h"

#define FOREIGN_BIT 0x40000000u /* of x32, on x86-64; no other architecture has such numbers */
#define MAX_FILTER  512

#define NUMBER      offsetof(struct seccomp_data, nr)
/* The low half: all that these arguments are looked at for lies there. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARGUMENT(i) (offsetof(struct seccomp_data, args) + (i) * sizeof(uint64_t))
#else
#define ARGUMENT(i) (offsetof(struct seccomp_data, args) + (i) * sizeof(uint64_t) + 4)
#endif

struct filter {
    size_t n;
    struct sock_filter v[MAX_FILTER];
};

static void add(struct filter *f, struct sock_filter one)
{
    sx_check(f->n < MAX_FILTER);
    f->v[f->n++] = one;
}

static void load(struct filter *f, size_t offset)
{
    add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void end(struct filter *f, uint32_t action)
{
    add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* Goes on with the next instruction when the loaded value is `value`, else skips n. */
static void expect(struct filter *f, uint32_t value, uint8_t n)
{
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n));
}

static void expect_bit(struct filter *f, uint32_t bit, uint8_t n)
{
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bit, 0, n));
}

static void deny(struct filter *f, int number, uint32_t action)
{
    expect(f, (uint32_t)number, 1);
    end(f, action);
}

/* Only these values of an argument; the number is loaded before and, if it is another's, after. */
static void allow_values(struct filter *f, int number, unsigned argument, const uint32_t *values,
                         size_t n)
{
    expect(f, (uint32_t)number, (uint8_t)(2 + 2 * n));
    load(f, ARGUMENT(argument));
    for (size_t i = 0; i < n; i++) {
        expect(f, values[i], 1);
        end(f, SECCOMP_RET_ALLOW);
    }
    end(f, SECCOMP_RET_TRAP);
}

/* Not these. */
static void deny_values(struct filter *f, int number, unsigned argument, const uint32_t *values,
                        size_t n)
{
    expect(f, (uint32_t)number, (uint8_t)(2 + 2 * n));
    load(f, ARGUMENT(argument));
    for (size_t i = 0; i < n; i++) {
        expect(f, values[i], 1);
        end(f, SECCOMP_RET_TRAP);
    }
    end(f, SECCOMP_RET_ALLOW);
}

/* Anything but a thread. */
static void deny_processes(struct filter *f)
{
    expect(f, SYS_clone, 4);
    load(f, ARGUMENT(0));
    expect_bit(f, CLONE_THREAD, 1);
    end(f, SECCOMP_RET_ALLOW);
    end(f, SECCOMP_RET_TRAP);
}

static void begin(struct filter *f)
{
    f->n = 0;
    load(f, offsetof(struct seccomp_data, arch));
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SX_SANDBOX_ARCHITECTURE, 1, 0));
    end(f, SECCOMP_RET_KILL_PROCESS);
    load(f, NUMBER);
    add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FOREIGN_BIT, 0, 1));
    end(f, SECCOMP_RET_KILL_PROCESS);
}

static void deny_some(struct filter *f)
{
    static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
    static const uint32_t typing[] = { TIOCSTI, TIOCLINUX };
    const uint32_t self[] = { (uint32_t)getpid(), 0 }; /* 0: the caller, of prlimit64 alone */

    deny_processes(f);
    allow_values(f, SYS_socket, 0, families, 4);
    allow_values(f, SYS_socketpair, 0, families, 1);
    allow_values(f, SYS_kill, 0, self, 1);
    allow_values(f, SYS_tgkill, 0, self, 1);
    allow_values(f, SYS_prlimit64, 0, self, 2);
    deny_values(f, SYS_ioctl, 1, typing, 2);
}

/* SPEC_ALLOW: the mitigation that kernels before 5.16 switch on with a filter costs more than it
 * is worth to a process that runs no foreign bytecode. */
static int install(const struct filter *f)
{
    struct sock_fprog program = { .len = (unsigned short)f->n,
                                  .filter = (struct sock_filter *)(uintptr_t)f->v };
    const unsigned flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;

    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0 ? 0 : SX_ERR_IO;
}

int sx_worker_seccomp(bool is_check)
{
    struct filter f;

    begin(&f);
    for (const struct sx_denied *d = sx_denied_calls; d->name != NULL; d++) {
        if (d->how == SX_DENIED_ALWAYS || (d->how == SX_DENIED_CHECKER && is_check))
            deny(&f, d->number, SECCOMP_RET_TRAP);
        else if (d->how == SX_DENIED_ABSENT)
            deny(&f, d->number, SECCOMP_RET_ERRNO | ENOSYS);
    }
    deny_some(&f);
    end(&f, SECCOMP_RET_ALLOW);
    return install(&f);
}

/* Refused, not trapped: a library that would load a module later must find that it cannot. */
int sx_worker_seccomp_seal(void)
{
    static const int calls[] = { SYS_mmap, SYS_mprotect, SYS_pkey_mprotect };
    struct filter f;

    begin(&f);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        expect(&f, (uint32_t)calls[i], 4);
        load(&f, ARGUMENT(2));
        expect_bit(&f, PROT_EXEC, 1);
        end(&f, SECCOMP_RET_ERRNO | EACCES);
        end(&f, SECCOMP_RET_ALLOW);
    }
    expect(&f, SYS_shmat, 4);
    load(&f, ARGUMENT(2));
    expect_bit(&f, SHM_EXEC, 1);
    end(&f, SECCOMP_RET_ERRNO | EACCES);
    end(&f, SECCOMP_RET_ALLOW);
    end(&f, SECCOMP_RET_ALLOW);
    return install(&f);
}
