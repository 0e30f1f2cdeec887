/*
 * base/denied.c - the table.
 *
 * Left is what serving needs: sockets, epoll, files, memory, threads, clocks.  Denied is what
 * starts programs, looks into or at other processes, changes the machine or who we are, and the
 * large interfaces of the kernel that no plugin needs.
 */
#include "base/denied.h"

#include <stddef.h>
#include <sys/syscall.h>


#define ALWAYS(call)                        \
    {                                       \
        SYS_##call, SX_DENIED_ALWAYS, #call \
    }
#define ABSENT(call)                        \
    {                                       \
        SYS_##call, SX_DENIED_ABSENT, #call \
    }
#define SOME(call)                        \
    {                                     \
        SYS_##call, SX_DENIED_SOME, #call \
    }

const struct sx_denied sx_denied_calls[] = {
    /* programs and processes */
    ALWAYS(execve),
    ALWAYS(execveat),
#ifdef SYS_fork
    ALWAYS(fork),
    ALWAYS(vfork),
#endif
    SOME(clone), /* but for threads */
    ABSENT(clone3),
    ALWAYS(ptrace),
    ALWAYS(process_vm_readv),
    ALWAYS(process_vm_writev),
    ALWAYS(process_madvise),
    ALWAYS(kcmp),
    ALWAYS(pidfd_open),
    ALWAYS(pidfd_getfd),
    ALWAYS(pidfd_send_signal),
    SOME(kill), /* but for ourselves */
    SOME(tgkill),
    ALWAYS(tkill),
    ALWAYS(rt_sigqueueinfo),
    ALWAYS(rt_tgsigqueueinfo),
    SOME(prlimit64),

    /* who we are */
    ALWAYS(setuid),
    ALWAYS(setgid),
    ALWAYS(setreuid),
    ALWAYS(setregid),
    ALWAYS(setresuid),
    ALWAYS(setresgid),
    ALWAYS(setgroups),
    ALWAYS(setfsuid),
    ALWAYS(setfsgid),
    ALWAYS(capset),
    ALWAYS(unshare),
    ALWAYS(setns),
    ALWAYS(chroot),
    ALWAYS(personality),

    /* file systems */
    ALWAYS(mount),
    ALWAYS(umount2),
    ALWAYS(pivot_root),
    ALWAYS(move_mount),
    ALWAYS(open_tree),
    ALWAYS(fsopen),
    ALWAYS(fsconfig),
    ALWAYS(fsmount),
    ALWAYS(fspick),
    ALWAYS(mount_setattr),
    ALWAYS(quotactl),
    ALWAYS(name_to_handle_at),
    ALWAYS(open_by_handle_at),
    ALWAYS(fanotify_init),
    ALWAYS(mknodat),
#ifdef SYS_mknod
    ALWAYS(mknod),
#endif

    /* the machine */
    ALWAYS(reboot),
    ALWAYS(swapon),
    ALWAYS(swapoff),
    ALWAYS(sethostname),
    ALWAYS(setdomainname),
    ALWAYS(settimeofday),
    ALWAYS(clock_settime),
    ALWAYS(clock_adjtime),
    ALWAYS(adjtimex),
    ALWAYS(acct),
    ALWAYS(syslog),
    ALWAYS(vhangup),
    ALWAYS(init_module),
    ALWAYS(finit_module),
    ALWAYS(delete_module),
    ALWAYS(kexec_load),
#ifdef SYS_kexec_file_load
    ALWAYS(kexec_file_load),
#endif
#ifdef SYS_iopl
    ALWAYS(iopl),
    ALWAYS(ioperm),
    ALWAYS(modify_ldt),
#endif
    SOME(ioctl), /* that types into a terminal */

    /* large interfaces of the kernel */
    ALWAYS(bpf),
    ALWAYS(perf_event_open),
    ALWAYS(userfaultfd),
    ALWAYS(add_key),
    ALWAYS(request_key),
    ALWAYS(keyctl),
    ABSENT(io_uring_setup),
    ABSENT(io_uring_enter),
    ABSENT(io_uring_register),
    SOME(socket), /* but for UNIX, INET, INET6 and the routes that a resolver asks for */
    SOME(socketpair),
    { SYS_bind, SX_DENIED_CHECKER, "bind" },
    { SYS_listen, SX_DENIED_CHECKER, "listen" },
    { SYS_accept4, SX_DENIED_CHECKER, "accept4" },
    { SYS_accept, SX_DENIED_CHECKER, "accept" },
    { 0, SX_DENIED_ALWAYS, NULL },
};

const char *sx_denied_name(long number)
{
    for (const struct sx_denied *d = sx_denied_calls; d->name != NULL; d++)
        if (d->number == number)
            return d->name;
    return NULL;
}
