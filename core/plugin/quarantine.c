/*
 * plugin/quarantine.c - a plugin that the supervisor has quarantined: nothing new begins in it.
 *
 * Its routes answer 503, and so do those of others where a hook of it would have to run: what a
 * guard cannot look at does not pass.  Its timers and notifications rest.  What it has begun ends
 * as ever, so that it loses nothing and is whole when it is released.
 *
 * One whose file cannot even be mapped is left out: of it only the configuration is known.
 */
#include <stdlib.h>
#include <string.h>

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
    if (p->is_left_out) {
        sx_report_add(rep, "the plugin \"%s\" was left out, and is released", p->note.name);
        return SX_EINVAL;
    }
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

/* --- Without its file ------------------------------------------------------------------------ */

static int never(sx_req *r)
{
    (void)r;
    return SX_EINVAL;
}

static bool may_have_hooks_on_all(const struct sx_plugin *p)
{
    for (size_t i = 0; i < p->cfg->grants.n; i++)
        if (strcmp(p->cfg->grants.v[i], sx_grant_name(SX_CAP_ALL_ROUTES)) == 0)
            return true;
    return false;
}

int sx_quarantine_leave_out(struct sx_plugin *p)
{
    if (!may_have_hooks_on_all(p))
        return 0;
    p->hooks = calloc(2, sizeof *p->hooks);
    if (p->hooks == NULL)
        return SX_ENOMEM;
    p->manifest.needs = SX_CAP_ALL_ROUTES;
    p->hooks[0].before = never; /* nobody calls it: the plugin is quarantined */
    p->hooks[0].all_routes = 1;
    return 0;
}

static bool is_under(struct sx_slice path, const char *prefix)
{
    size_t n = strlen(prefix);

    return path.len >= n && memcmp(path.data, prefix, n) == 0 &&
           (path.len == n || path.data[n] == '/' || n == 0);
}

bool sx_quarantine_answer_path(const struct sx_plugins *ps, struct sx_slice host,
                               struct sx_http_req *http)
{
    for (size_t i = 0; i < ps->n_plugins; i++) {
        const struct sx_plugin *p = &ps->plugins[i];

        if (!p->is_left_out || !is_under(http->path, p->cfg->prefix) ||
            (p->cfg->host != NULL && *p->cfg->host != '\0' &&
             !sx_slice_is_nocase(host, p->cfg->host)))
            continue;
        sx_quarantine_answer(p, http);
        return true;
    }
    return false;
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
