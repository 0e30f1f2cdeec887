#include "base/altstack.h"

#include <stddef.h>
#include <sys/mman.h>

#define STACK_BYTES (256u * 1024) /* an unwinder and a message; touched only when needed */

void sx_altstack_open(struct sx_altstack *stack)
{
    stack_t ours = { .ss_size = STACK_BYTES };

    stack->memory = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack->memory == MAP_FAILED) {
        stack->memory = NULL;
        return;
    }
    ours.ss_sp = stack->memory;
    if (sigaltstack(&ours, &stack->old) != 0) {
        (void)munmap(stack->memory, STACK_BYTES);
        stack->memory = NULL;
    }
}

void sx_altstack_close(struct sx_altstack *stack)
{
    if (stack->memory == NULL)
        return;
    (void)sigaltstack(&stack->old, NULL);
    (void)munmap(stack->memory, STACK_BYTES);
    stack->memory = NULL;
}
