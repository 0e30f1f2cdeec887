/*
 * plugin/quarantine.c - a plugin that the supervisor has quarantined: nothing new begins in it.
 *
 * Its routes answer 503, and so do those of others where a hook of it would have to run: what a
 * guard cannot look at does not pass.  Its timers and notifications rest.  What it has begun ends
 * as ever, so that it loses nothing and is whole when it is released.
 */
#include "base/clock.h"
#include "base/text.h"
#include "plugin/guard.h"

#define NS_PER_S UINT64_C(1000000000)

void sx_plugins_quarantine(struct sx_plugins *ps, const char *name, uint32_t seconds)
{
    struct sx_plugin *p = sx_plugins_find(ps, name);

    if (p == NULL)
        return;
    p->is_quarantined = true;
    p->quarantine_until_ns = sx_clock_mono_ns() + seconds * NS_PER_S;
}

int sx_plugins_release(struct sx_plugins *ps, const char *name, struct sx_report *rep)
{
    struct sx_plugin *p = sx_plugins_find(ps, name);

    if (p == NULL || !p->is_quarantined || ps->has_broken)
        return 0; /* or this process ends */
    if (!p->is_started && ps->is_draining)
        return 0; /* too late to begin */
    if (!p->is_started && p->had_turn && sx_plugin_start(p, rep) < 0)
        return SX_EINVAL;
    p->is_quarantined = false;
    return 0;
}

void sx_plugins_add_quarantined(const struct sx_plugins *ps, struct sx_buf *to)
{
    const char *before = ",\"quarantined\":[";

    for (size_t i = 0; i < ps->n_plugins; i++) {
        if (!ps->plugins[i].is_quarantined)
            continue;
        sx_buf_printf(to, "%s\"%s\"", before, ps->plugins[i].note.name);
        before = ",";
    }
    if (before[1] == '\0')
        sx_buf_add_text(to, "]");
}

void sx_quarantine_answer(const struct sx_plugin *p, struct sx_http_req *http)
{
    uint64_t now_ns = sx_clock_mono_ns();
    uint64_t left_s = p->quarantine_until_ns > now_ns
                          ? (p->quarantine_until_ns - now_ns + NS_PER_S - 1) / NS_PER_S
                          : 1;
    char text[24];
    size_t len = sx_format_uint(text, left_s);

    (void)sx_http_set_header(http, sx_slice_of("Retry-After"), (struct sx_slice){ text, len },
                             false);
    (void)sx_http_problem(http, 503, "plugin_quarantined",
                          "the plugin \"%s\" has crashed too often and is quarantined",
                          p->note.name);
}
