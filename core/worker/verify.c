/*
 * worker/verify.c - the process that looks at signatures for the supervisor, and ends.
 *
 * It inherits what a checker does, maps libcrypto, which no serving process needs, and no plugin.
 * The bytes are those of the private copies, which are what will be loaded.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "board/sealed.h"
#include "sign/sign.h"
#include "worker/worker.h"
#include "worker/worker_private.h"

#define LIMIT_S 60

static int verify(struct sx_worker *w, struct sx_report *rep)
{
    struct sx_sign_file *files = calloc(w->copies.n + 1, sizeof *files);
    int err;

    if (files == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < w->copies.n; i++)
        files[i] = (struct sx_sign_file){ w->copies.v[i].name, w->copies.v[i].path };
    err = sx_sign_check(w->config, files, w->copies.n, rep);
    free(files);
    return err;
}

int sx_worker_verify_main(const char *spec_text)
{
    struct sx_worker w = { .spec = { .control_fd = -1 } };
    struct sx_report rep;

    (void)alarm(LIMIT_S);
    sx_report_init(&rep);
    if (sx_worker_read_inheritance(&w, spec_text, &rep) != 0) {
        sx_report_print(&rep, stderr);
        return SX_EXIT_CONFIG;
    }
    if (verify(&w, &rep) != 0) {
        sx_worker_tell_faults(&w, &rep);
        sx_report_finish(&rep);
    } else {
        (void)sx_control_send(w.spec.control_fd, SX_CONTROL_READY, NULL);
    }
    sx_control_finish_plugins(&w.copies);
    sx_config_destroy(w.config);
    return 0;
}
