/*
 * board/board.c - the segment itself: made, mapped, checked, and the parts of the workers.
 */
#include "board/board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "board/board_private.h"

#define SEALS      (F_SEAL_SHRINK | F_SEAL_GROW)
#define CACHE_LINE 64u
#define SECOND_NS  1000000000u

static size_t round_up(size_t n)
{
    return (n + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

/* Sizes follow from the two counts, which are never read from the segment again. */
static int init_sizes(struct sx_board *b, uint32_t n_workers, uint32_t n_threads)
{
    if (n_workers < 1 || n_workers > BOARD_MAX_WORKERS || n_threads < 1 ||
        n_threads > BOARD_MAX_THREADS)
        return SX_ERR_INVALID;
    b->n_workers = n_workers;
    b->n_threads = n_threads;
    b->worker_size = round_up(sizeof(struct sx_board_worker) +
                              (size_t)n_threads * sizeof(struct board_thread_line));
    b->size = round_up(sizeof(struct board_head)) + (size_t)n_workers * b->worker_size;
    return 0;
}

static int map_segment(struct sx_board *b)
{
    void *at = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);

    if (at == MAP_FAILED)
        return SX_ERR_IO;
    b->head = at;
    b->workers = (char *)at + round_up(sizeof(struct board_head));
    return 0;
}

static int create_segment(struct sx_board *b)
{
    int rc;

    b->fd = memfd_create("sx-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (b->fd < 0)
        return SX_ERR_IO;
    if (ftruncate(b->fd, (off_t)b->size) != 0 || fcntl(b->fd, F_ADD_SEALS, SEALS) != 0)
        return SX_ERR_IO;
    rc = map_segment(b);
    if (rc == 0) {
        b->head->magic = BOARD_MAGIC;
        b->head->n_workers = b->n_workers;
        b->head->n_threads = b->n_threads;
    }
    return rc;
}

int sx_board_create(uint32_t n_workers, uint32_t n_threads, struct sx_board **ret_board)
{
    struct sx_board *b = calloc(1, sizeof(*b));
    int rc, saved;

    if (b == NULL)
        return SX_ERR_NOMEM;
    b->fd = -1;
    b->owns_fd = true;
    rc = init_sizes(b, n_workers, n_threads);
    if (rc == 0)
        rc = create_segment(b);
    if (rc != 0) {
        saved = errno;
        sx_board_destroy(b);
        errno = saved;
        return rc;
    }
    *ret_board = b;
    return 0;
}

/* The counts are read from the file, then the file must be as large as they say, for ever. */
static int check_segment(struct sx_board *b)
{
    struct board_head *head;
    struct stat st;
    int seals = fcntl(b->fd, F_GET_SEALS);
    int rc;

    if (seals < 0 || (seals & SEALS) != SEALS)
        return SX_ERR_INVALID;
    if (fstat(b->fd, &st) != 0)
        return SX_ERR_IO;
    if ((size_t)st.st_size < sizeof(*head))
        return SX_ERR_INVALID;
    head = mmap(NULL, sizeof(*head), PROT_READ, MAP_SHARED, b->fd, 0);
    if (head == MAP_FAILED)
        return SX_ERR_IO;
    rc = head->magic != BOARD_MAGIC ? SX_ERR_INVALID
                                    : init_sizes(b, head->n_workers, head->n_threads);
    (void)munmap(head, sizeof(*head));
    return rc == 0 && (size_t)st.st_size != b->size ? SX_ERR_INVALID : rc;
}

int sx_board_attach(int fd, struct sx_board **ret_board)
{
    struct sx_board *b = calloc(1, sizeof(*b));
    int rc;

    if (b == NULL)
        return SX_ERR_NOMEM;
    b->fd = fd;
    rc = check_segment(b);
    if (rc == 0)
        rc = map_segment(b);
    if (rc != 0) {
        free(b);
        return rc;
    }
    *ret_board = b;
    return 0;
}

void sx_board_destroy(struct sx_board *board)
{
    if (board == NULL)
        return;
    if (board->head != NULL)
        (void)munmap(board->head, board->size);
    if (board->owns_fd && board->fd >= 0)
        (void)close(board->fd);
    free(board);
}

int sx_board_fd(const struct sx_board *board)
{
    return board->fd;
}

/* --- the parts of the workers --------------------------------------------------------- */

const struct sx_board_worker *board_worker(const struct sx_board *b, uint32_t slot)
{
    if (slot >= b->n_workers)
        return NULL;
    return (const struct sx_board_worker *)(const void *)(b->workers + slot * b->worker_size);
}

struct sx_board_worker *sx_board_worker_at(struct sx_board *b, uint32_t slot)
{
    if (slot >= b->n_workers)
        return NULL;
    return (struct sx_board_worker *)(void *)(b->workers + slot * b->worker_size);
}

struct sx_board_counters *sx_board_counters_of(struct sx_board_worker *w)
{
    return &w->counters;
}

struct sx_board_thread *sx_board_thread_at(struct sx_board_worker *w, uint32_t thread)
{
    return &w->threads[thread].thread;
}

struct sx_board_thread *sx_board_fault_of(struct sx_board_worker *w)
{
    return &w->fault.thread;
}

void sx_board_set_state(struct sx_board_worker *w, uint32_t pid, uint32_t generation, int state)
{
    __atomic_store_n(&w->pid, pid, __ATOMIC_RELAXED);
    __atomic_store_n(&w->generation, generation, __ATOMIC_RELAXED);
    __atomic_store_n(&w->state, (uint32_t)state, __ATOMIC_RELEASE);
}

int sx_board_state(const struct sx_board_worker *w)
{
    uint32_t state = __atomic_load_n(&w->state, __ATOMIC_ACQUIRE);

    return state <= SX_WORKER_DRAINING ? (int)state : SX_WORKER_FREE;
}

/* A time in the future is a scribble, and no reason to be silent. */
bool sx_board_may_tell(struct sx_board *b, uint64_t now_ns)
{
    uint64_t last_ns = board_load(&b->head->outage_ns);

    if (last_ns != 0 && last_ns <= now_ns && now_ns - last_ns < SECOND_NS)
        return false;
    return __atomic_compare_exchange_n(&b->head->outage_ns, &last_ns, now_ns, false,
                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

bool sx_board_has_successor(const struct sx_board *b, uint32_t generation)
{
    for (uint32_t i = 0; i < b->n_workers; i++) {
        const struct sx_board_worker *w = board_worker(b, i);

        if (sx_board_state(w) == SX_WORKER_READY &&
            __atomic_load_n(&w->generation, __ATOMIC_RELAXED) > generation)
            return true;
    }
    return false;
}
