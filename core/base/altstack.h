/*
 * base/altstack.h - a second stack for the handlers of faults, one a thread: an overflow leaves
 * no room on the first.
 */
#ifndef SX_BASE_ALTSTACK_H
#define SX_BASE_ALTSTACK_H

#include <signal.h>

struct sx_altstack {
    void *memory; /* owned; NULL: none could be had */
    stack_t old;
};

/* For the calling thread; without memory there is none, and an overflow ends the process
 * without a word. */
void sx_altstack_open(struct sx_altstack *stack);
/* By the same thread, before it ends. */
void sx_altstack_close(struct sx_altstack *stack);

#endif /* SX_BASE_ALTSTACK_H */
