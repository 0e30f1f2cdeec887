/*
 * cli/reader.c - the process that reads the configuration and the plugins for a reload, and ends:
 * the other side of supervisor/reading.c.
 *
 * It waits for whoever is asked for secrets and for file systems, with the rights of the
 * supervisor; it maps no plugin, but libcrypto where there are signatures to look at.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/courtesy.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "sign/sign.h"
#include "supervisor/parcel.h"

void sx_cli_reader_options(const struct sx_cli_options *opt, char *list[SX_CLI_READER_OPTIONS])
{
    static const char config[] = "--config", env[] = "--env";
    const char *from[] = { opt->config_dir != NULL ? config : NULL, opt->config_dir,
                           opt->env != NULL ? env : NULL, opt->env };
    size_t n = 0;

    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++)
        if (from[i] != NULL)
            list[n++] = (char *)(uintptr_t)from[i]; /* only read, as all of argv */
    list[n] = NULL;
}

static bool write_config(int fd, const struct sx_config *cfg, struct sx_report *rep)
{
    char *text = sx_config_dump(cfg);
    bool is_written = text != NULL && sx_write_all(fd, text, strlen(text)) == 0;

    if (!is_written)
        sx_report_add(rep, "the configuration cannot be handed over: %s",
                      text != NULL ? strerror(errno) : "no memory");
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    return is_written;
}

/* In the place of what was written before: a part of a configuration would be told as a fault. */
static bool write_faults(int fd, const struct sx_report *rep)
{
    bool is_written = ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0;

    for (size_t i = 0; i < rep->n_faults && is_written; i++)
        is_written = sx_write_all(fd, rep->faults[i], strlen(rep->faults[i]) + 1) == 0;
    return is_written;
}

static int check_signatures(const struct sx_config *cfg, const struct sx_copies *copies,
                            struct sx_report *rep)
{
    struct sx_sign_file *files = calloc(copies->n + 1, sizeof *files);
    int err;

    if (files == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < copies->n; i++)
        files[i] = (struct sx_sign_file){ copies->v[i].name, copies->v[i].path };
    err = sx_sign_check(cfg, files, copies->n, rep);
    free(files);
    return err;
}

/* The copies, or what is wrong with them: the supervisor tells it with the faults that it finds. */
static bool hand_over_copies(int fd, const struct sx_config *cfg, struct sx_report *rep)
{
    struct sx_copies copies = { .list_fd = -1 };
    struct sx_report notices, faults;
    int err, sent;

    sx_report_init(&notices);
    sx_report_init(&faults);
    err = sx_copies_create(cfg, &notices, &faults, &copies);
    if (err == 0)
        err = check_signatures(cfg, &copies, &faults);
    if (err != 0 && faults.n_faults == 0)
        sx_report_add(&faults, "the plugins cannot be read: no memory");
    sent = sx_parcel_send(fd, err == 0 ? &copies : NULL, &notices, &faults);
    if (sent != 0)
        sx_report_add(rep, "the copies of the plugins cannot be handed over: %s",
                      sent == SX_ERR_IO ? strerror(errno) : "no memory");
    sx_copies_destroy(&copies);
    sx_report_finish(&faults);
    sx_report_finish(&notices);
    return sent == 0;
}

static int parse_fd(const char *text, int *ret_fd)
{
    uint64_t fd;

    if (sx_parse_uint(text, strlen(text), &fd) != 0 || fd > INT_MAX)
        return SX_ERR_INVALID;
    *ret_fd = (int)fd;
    return 0;
}

/* TERM may end it again: it has nothing that nobody else knows of. */
static void heed_term(void)
{
    sigset_t term;

    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_UNBLOCK, &term, NULL);
}

/* The configuration first: from then on the supervisor can remove its files, whatever happens. */
static bool hand_over(int text_fd, int parcel_fd, const struct sx_config *cfg,
                      struct sx_report *rep)
{
    if (!write_config(text_fd, cfg, rep))
        return false;
    heed_term();
    return hand_over_copies(parcel_fd, cfg, rep);
}

int sx_cli_read_config(const char *text_fd, const char *parcel_fd, const struct sx_cli_options *opt)
{
    struct sx_config *cfg = NULL;
    struct sx_report rep;
    int text, parcel, code = SX_EXIT_CONFIG;

    if (parse_fd(text_fd, &text) != 0 || parse_fd(parcel_fd, &parcel) != 0)
        return code;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    sx_courtesy_slice_short(); /* copying takes milliseconds, beside those who serve */
    sx_report_init(&rep);
    if (sx_cli_load_with_secrets(opt, true, &rep, &cfg) == 0 &&
        hand_over(text, parcel, cfg, &rep)) {
        sx_config_own_files(cfg, false); /* they are the supervisor's now */
        code = 0;
    }
    sx_config_destroy(cfg); /* with its files, before their names are overwritten */
    if (code != 0 && !write_faults(text, &rep))
        code = EXIT_FAILURE;
    sx_report_finish(&rep);
    return code;
}
