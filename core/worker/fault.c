/*
 * worker/fault.c - the last words of a worker that dies of a fault: which signal, where, and
 * how it came there.
 *
 * The handler runs on a stack of its own and calls what is async-signal-safe: the unwinder of
 * libgcc, which was used once before, and send().  It resolves no symbols; the supervisor reads
 * them from the files.  Where the fault can be contained the call into the plugin fails and the
 * worker leaves; otherwise the signal takes its course, so that a sanitizer still reports and a
 * core is still dumped.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "worker/worker_private.h"

#define MAX_MODULES 256u
#define MAX_FRAMES  32u     /* that are told */
#define MAX_WALK    200000u /* of a stack that overflowed */
#define MAX_CORE    3u      /* the guard's, and helpers that call for it */
#define MAX_WORDS   4096u
#define MAX_NAME    80u
#define PLUGIN      "plugin:"

static const int watched[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS };
#define N_WATCHED (sizeof watched / sizeof watched[0])

struct module {
    uintptr_t base, begin, end; /* base: what addresses in the file are relative to */
    char name[MAX_NAME];        /* "plugin:NAME", "program", or of a library's file */
};

struct sx_worker_fault {
    struct sx_worker *worker;
    struct sx_altstack stack; /* of the loop */
    struct sigaction old[N_WATCHED];
    pthread_t loop;
    uint32_t teller; /* atomic: the one thread that tells, by its kernel id; 0: none */
    size_t n_modules;
    struct module modules[MAX_MODULES];
    bool was_stall;     /* the call that was left had kept the loop */
    uint64_t left_ns;   /* since when it had: a second question about it is answered already */
    bool has_contained; /* the board's entry is of a fault that was contained */
    size_t len;
    char words[MAX_WORDS];
};

/* A signal handler gets nothing of ours but what lies at a fixed place. */
static struct sx_worker_fault *watching;

/* --- Where things lie ---------------------------------------------------------------------- */

static void name_module(struct sx_worker *w, const struct dl_phdr_info *info, struct module *m)
{
    const char *plugin = w->plugins == NULL ? NULL
                                            : sx_plugins_name_at(w->plugins, info->dlpi_addr);
    const char *slash = strrchr(info->dlpi_name, '/');

    if (plugin != NULL)
        (void)snprintf(m->name, sizeof m->name, PLUGIN "%s", plugin);
    else if (info->dlpi_name[0] == '\0')
        (void)snprintf(m->name, sizeof m->name, "program");
    else
        (void)snprintf(m->name, sizeof m->name, "%s", slash == NULL ? info->dlpi_name : slash + 1);
}

static int add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct sx_worker_fault *f = arg;
    struct module m = { .base = info->dlpi_addr, .begin = UINTPTR_MAX };

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type != PT_LOAD || (p->p_flags & PF_X) == 0)
            continue;
        if (m.base + p->p_vaddr < m.begin)
            m.begin = m.base + p->p_vaddr;
        if (m.base + p->p_vaddr + p->p_memsz > m.end)
            m.end = m.base + p->p_vaddr + p->p_memsz;
    }
    if (m.begin >= m.end || f->n_modules == MAX_MODULES)
        return 0;
    name_module(f->worker, info, &m);
    f->modules[f->n_modules++] = m;
    return 0;
}

void sx_worker_fault_map(struct sx_worker *w)
{
    if (w->fault == NULL)
        return;
    w->fault->n_modules = 0;
    (void)dl_iterate_phdr(add_module, w->fault);
}

/* --- In the handler ------------------------------------------------------------------------ */

static const struct module *find_module(const struct sx_worker_fault *f, uintptr_t pc)
{
    for (size_t i = 0; i < f->n_modules; i++)
        if (pc >= f->modules[i].begin && pc < f->modules[i].end)
            return &f->modules[i];
    return NULL;
}

static void put(struct sx_worker_fault *f, const char *text, size_t len)
{
    if (len > sizeof f->words - 1 - f->len)
        len = sizeof f->words - 1 - f->len;
    memcpy(f->words + f->len, text, len);
    f->len += len;
    f->words[f->len] = '\0';
}

static void put_hex(struct sx_worker_fault *f, uintptr_t value)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 + 2 * sizeof value];
    size_t at = sizeof text;

    do {
        text[--at] = digits[value & 15];
        value >>= 4;
    } while (value != 0);
    text[--at] = 'x';
    text[--at] = '0';
    put(f, text + at, sizeof text - at);
}

static void put_place(struct sx_worker_fault *f, uintptr_t pc)
{
    const struct module *m = find_module(f, pc);

    put(f, " ", 1);
    put(f, m == NULL ? "?" : m->name, m == NULL ? 1 : strlen(m->name));
    put(f, "+", 1);
    put_hex(f, m == NULL ? pc : pc - m->base);
}

/* A stack from the fault outwards.  It can be left when it is: places of the plugin, then at most
 * MAX_CORE of the core, which hold nothing, then the frame that has the guard. */
enum leave { LEAVE_IN_PLUGIN, LEAVE_IN_CORE, LEAVE_YES, LEAVE_NO };

struct walk {
    struct sx_worker_fault *fault;
    uintptr_t pc; /* of the fault: what lies before it is the handler's */
    bool is_found;
    unsigned n_frames, n_core;
    const char *plugin; /* of the call that may be left, and the place of its guard */
    uintptr_t guard;
    enum leave leave;
    const char *outermost; /* plugin of which there is a place; NULL: there is none */
};

/* The plugin that it is, or NULL. */
static const char *plugin_of(const struct module *m)
{
    return m != NULL && strncmp(m->name, PLUGIN, sizeof PLUGIN - 1) == 0
               ? m->name + sizeof PLUGIN - 1
               : NULL;
}

/* stack: where the frame of pc begins, seen from the inside. */
static void judge_frame(struct walk *walk, uintptr_t pc, uintptr_t stack)
{
    const struct module *m = find_module(walk->fault, pc);
    const char *plugin = plugin_of(m);

    if (plugin != NULL)
        walk->outermost = plugin;
    if (walk->leave == LEAVE_IN_CORE && stack > walk->guard)
        walk->leave = LEAVE_YES; /* the frame before had the guard */
    if (walk->leave == LEAVE_YES || walk->leave == LEAVE_NO)
        return;
    if (walk->leave == LEAVE_IN_PLUGIN && plugin != NULL && strcmp(plugin, walk->plugin) == 0)
        return;
    walk->leave = m != NULL && strcmp(m->name, "program") == 0 && walk->n_frames > 0 &&
                          ++walk->n_core <= MAX_CORE
                      ? LEAVE_IN_CORE
                      : LEAVE_NO;
}

static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    int is_exact = 0;
    uintptr_t pc = _Unwind_GetIPInfo(context, &is_exact);

    walk->is_found = walk->is_found || pc == walk->pc;
    if (!walk->is_found || pc == 0)
        return _URC_NO_REASON;
    if (is_exact == 0)
        pc--; /* a return address lies behind its call, which may be the last of a function */
    judge_frame(walk, pc, _Unwind_GetCFA(context));
    if (walk->n_frames < MAX_FRAMES)
        put_place(walk->fault, pc);
    walk->n_frames++;
    return walk->n_frames >= MAX_FRAMES && (walk->leave >= LEAVE_YES || walk->n_frames > MAX_WALK)
               ? _URC_END_OF_STACK
               : _URC_NO_REASON;
}

static uintptr_t pc_of(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

/* By their numbers on the board; SX_BOARD_NONE: one that runs no plugin. */
static uint32_t find_thread(const struct sx_worker_fault *f)
{
    uint32_t thread;

    if (pthread_equal(pthread_self(), f->loop) != 0)
        return 0;
    thread = f->worker->plugins == NULL ? 0 : sx_plugins_pool_thread(f->worker->plugins);
    return thread == 0 ? SX_BOARD_NONE : thread;
}

/* What has struck whom. */
struct strike {
    int signo;
    const siginfo_t *info;
    const ucontext_t *context;
    uint32_t thread;       /* its number on the board */
    bool is_second;        /* the loop had heard of another fault before */
    const char *outermost; /* plugin on the stack, or NULL: what compose has found */
};

/* The call into a plugin that the thread is in, if it may be left.  A second fault is not
 * contained: the first one may have done more than it seemed.  Those that strike at the same
 * moment are first ones all, whichever of them the loop hears of while the others wait here; and
 * so are those of calls into the same plugin that had begun before it was broken. */
static bool find_call(const struct sx_worker_fault *f, const struct strike *s, struct walk *walk)
{
    const struct sx_plugins *plugins = f->worker->plugins;
    uint32_t thread = s->thread;

    if (plugins == NULL || thread == SX_BOARD_NONE || f->worker->work == NULL ||
        (f->worker->is_check && thread > 0) || /* it ends without a turn of its loop */
        f->worker->phase == WORKER_CLOSING)    /* whose end waits for every thread */
        return false;
    if (s->is_second && !sx_plugins_has_broken_call(plugins, thread))
        return false;
    return thread == 0 ? sx_plugins_call_of(plugins, &walk->plugin, &walk->guard)
                       : sx_plugins_pool_call_of(plugins, thread, &walk->plugin, &walk->guard);
}

/* "SIGNAL ADDRESS PLACE PLACE …", innermost first.  Can the call be left? */
static bool compose(struct sx_worker_fault *f, struct strike *s)
{
    struct walk walk = { .fault = f, .pc = pc_of(s->context), .leave = LEAVE_NO };
    char number[24];
    /* Of a signal that somebody sent there is no address. */
    uintptr_t address = s->signo == SIGSYS     ? (uintptr_t)s->info->si_syscall
                        : s->info->si_code > 0 ? (uintptr_t)s->info->si_addr
                                               : 0;

    f->len = 0;
    put(f, number, sx_format_uint(number, (uint64_t)s->signo));
    put(f, " ", 1);
    put_hex(f, address);
    /* The signal of a fault, not one that somebody sent. */
    if ((s->info->si_code > 0 || s->signo == SX_CONTROL_STALL_SIGNAL) && s->signo != SIGABRT &&
        find_call(f, s, &walk))
        walk.leave = LEAVE_IN_PLUGIN;
    (void)_Unwind_Backtrace(on_frame, &walk);
    if (walk.n_frames == 0)
        put_place(f, walk.pc);
    s->outermost = walk.outermost;
    return walk.leave == LEAVE_YES;
}

/* Whoever reads the board knows by it which of the threads it was. */
static void keep_entry(const struct sx_worker *w, uint32_t thread)
{
    struct sx_board_thread *fault;

    if (w->slot == NULL)
        return;
    fault = sx_board_fault_of(w->slot);
    if (thread == SX_BOARD_NONE)
        *fault = (struct sx_board_thread){ .depth = 0 };
    else
        *fault = *sx_board_thread_at(w->slot, thread);
    fault->thread = thread == SX_BOARD_NONE ? SX_BOARD_NONE : thread + 1;
}

/* A thread that nobody here has made is that of the plugin whose code it runs outermost; whom it
 * runs for is not known. */
static void blame_maker(const struct sx_worker *w, const char *plugin)
{
    uint32_t board = sx_plugins_board_of(w->plugins, plugin);
    struct sx_board_thread *fault = w->slot == NULL ? NULL : sx_board_fault_of(w->slot);

    if (fault == NULL || board == SX_BOARD_NONE)
        return;
    fault->stack[0] = (struct sx_board_frame){ board, SX_BOARD_NONE, 0, sx_clock_mono_ns() };
    __atomic_store_n(&fault->depth, 1, __ATOMIC_RELEASE);
}

/* The handler ends here, and the call into the plugin with it. */
static void leave_call(struct sx_worker_fault *f, int signo)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, signo);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    __atomic_store_n(&f->teller, 0, __ATOMIC_RELEASE);
    sx_plugins_leave_call(f->worker->plugins);
}

/* This thread never leaves the handler; another takes its number. */
static void park(struct sx_worker_fault *f, uint32_t thread)
{
    struct sx_board_thread *entry = sx_board_thread_at(f->worker->slot, thread);

    __atomic_store_n(&entry->depth, 0, __ATOMIC_RELEASE);
    sx_plugins_lose_call(f->worker->plugins, thread);
    __atomic_store_n(&f->teller, 0, __ATOMIC_RELEASE);
    sx_work_lose(f->worker->work, thread);
    for (;;)
        (void)pause();
}

/* The signal once more, with whoever it belonged to before. */
static void give_up(struct sx_worker_fault *f, int signo, const siginfo_t *info)
{
    for (size_t i = 0; i < N_WATCHED; i++)
        (void)sigaction(watched[i], &f->old[i], NULL);
    /* A fault happens again when the handler returns, abort() goes on by itself, and a denied
     * system call would return. */
    if ((info->si_code <= 0 && (signo != SIGABRT || info->si_pid != getpid())) || signo == SIGSYS)
        (void)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signo);
}

/* One thread tells at a time; another one that tells ends us all, or is done soon.  False: it was
 * we ourselves, and the stack that was walked was none. */
static bool begin_telling(struct sx_worker_fault *f)
{
    const struct timespec moment = { .tv_nsec = 1000000 };
    uint32_t self = (uint32_t)syscall(SYS_gettid);

    for (;;) {
        uint32_t teller = 0;

        if (__atomic_compare_exchange_n(&f->teller, &teller, self, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return true;
        if (teller == self)
            return false;
        (void)nanosleep(&moment, NULL);
    }
}

/* Last words, with the thread's entry.  Those of a fault that is contained stay: the supervisor
 * reads them when the loop says that the worker leaves. */
static bool tell(struct sx_worker_fault *f, struct strike *s)
{
    bool may_leave;

    if (!f->has_contained) /* before anything that might fail */
        keep_entry(f->worker, s->thread);
    may_leave = compose(f, s);
    if (may_leave && !sx_plugins_note_fault(f->worker->plugins, s->thread))
        return true;
    if (f->has_contained)
        keep_entry(f->worker, s->thread);
    if (s->thread == SX_BOARD_NONE && s->outermost != NULL)
        blame_maker(f->worker, s->outermost);
    f->has_contained = may_leave;
    (void)sx_control_send(f->worker->spec.control_fd, SX_CONTROL_CRASHED, f->words);
    return may_leave;
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    struct sx_worker_fault *f = watching;
    struct sx_plugins *plugins = f->worker->plugins;
    struct strike s = { .signo = signo,
                        .info = info,
                        .context = context,
                        .is_second = plugins != NULL && sx_plugins_have_broken(plugins) };
    bool can_leave;

    if (!begin_telling(f)) {
        (void)signal(signo, SIG_DFL); /* and it happens again */
        return;
    }
    s.thread = find_thread(f);
    if (s.thread == 0 && plugins != NULL)
        sx_plugins_name_request(plugins);
    can_leave = tell(f, &s);
    if (can_leave && s.thread > 0)
        park(f, s.thread);
    if (can_leave)
        leave_call(f, signo);
    give_up(f, signo, info);
}

/* The supervisor asks where the loop is that does not come back.  If it just has, nothing is said;
 * if its call can be ended, it ends as by a fault; otherwise the supervisor kills. */
static void on_stall(int signo, siginfo_t *info, void *context)
{
    struct sx_worker_fault *f = watching;
    const struct sx_worker *w = f->worker;
    uint64_t since_ns = w->plugins == NULL ? 0 : sx_plugins_kept_since_ns(w->plugins);
    uint64_t least_ns = w->config->watchdog.kill_ms * UINT64_C(1000000) / 2;
    struct strike s = { .signo = signo, .info = info, .context = context };
    int saved = errno;

    if (since_ns == 0 || since_ns == f->left_ns || sx_clock_mono_ns() - since_ns < least_ns ||
        !begin_telling(f))
        return;
    s.is_second = sx_plugins_have_broken(w->plugins);
    sx_plugins_name_request(w->plugins);
    if (compose(f, &s)) {
        if (sx_plugins_note_fault(w->plugins, 0)) {
            f->was_stall = f->has_contained = true;
            f->left_ns = since_ns;
            keep_entry(w, 0);
            (void)sx_control_send(w->spec.control_fd, SX_CONTROL_CRASHED, f->words);
        }
        leave_call(f, signo);
    }
    (void)sx_control_send(w->spec.control_fd, SX_CONTROL_CRASHED, f->words);
    __atomic_store_n(&f->teller, 0, __ATOMIC_RELEASE);
    errno = saved;
}

bool sx_worker_fault_was_stall(const struct sx_worker *w)
{
    return w->fault != NULL && w->fault->was_stall;
}

/* --- Beginning and end ----------------------------------------------------------------------- */

static _Unwind_Reason_Code ignore_frame(struct _Unwind_Context *context, void *arg)
{
    (void)context;
    (void)arg;
    return _URC_NO_REASON;
}

int sx_worker_fault_watch(struct sx_worker *w)
{
    struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    w->fault = calloc(1, sizeof *w->fault);
    if (w->fault == NULL)
        return SX_ERR_NOMEM;
    w->fault->worker = w;
    w->fault->loop = pthread_self();
    sx_altstack_open(&w->fault->stack);
    (void)_Unwind_Backtrace(ignore_frame, NULL); /* it sets itself up at its first use */
    sx_worker_fault_map(w);
    watching = w->fault;
    (void)sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < N_WATCHED; i++)
        if (sigaction(watched[i], &act, &w->fault->old[i]) != 0)
            return SX_ERR_IO;
    act.sa_sigaction = on_stall;
    act.sa_flags |= SA_RESTART;
    return sigaction(SX_CONTROL_STALL_SIGNAL, &act, NULL) == 0 ? 0 : SX_ERR_IO;
}

void sx_worker_fault_unwatch(struct sx_worker *w)
{
    if (w->fault == NULL)
        return;
    for (size_t i = 0; i < N_WATCHED; i++)
        (void)sigaction(watched[i], &w->fault->old[i], NULL);
    (void)signal(SX_CONTROL_STALL_SIGNAL, SIG_IGN);
    watching = NULL;
    sx_altstack_close(&w->fault->stack);
    free(w->fault);
    w->fault = NULL;
}
