/* plugin/guard.c - what a contained fault leaves: a broken plugin, and a process that goes. */
#include "plugin/guard.h"

void sx_guard_broken(struct sx_plugins *ps, struct sx_plugin *p, struct sx_guard *g)
{
    if (ps->running != NULL)
        ps->running->has_faulted = true;
    sx_guard_leave(ps, g);
    __atomic_store_n(&p->is_broken, true, __ATOMIC_RELAXED); /* pool threads ask, too */
    ps->has_broken = true;
    if (ps->rt.on_broken != NULL)
        ps->rt.on_broken(ps->rt.arg, p->note.name);
}

bool sx_plugins_call_of(const struct sx_plugins *ps, const char **ret_name, uintptr_t *ret_frame)
{
    /* A second fault is not contained: the first one may have done more than it seemed. */
    if (ps->guard == NULL || ps->has_broken)
        return false;
    *ret_name = ps->guard->plugin->note.name;
    *ret_frame = (uintptr_t)ps->guard;
    return true;
}

void sx_plugins_leave_call(struct sx_plugins *ps)
{
    longjmp(ps->guard->back, 1);
}

bool sx_plugins_have_broken(const struct sx_plugins *ps)
{
    return ps->has_broken;
}
