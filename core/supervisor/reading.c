/*
 * supervisor/reading.c - the process that reads the configuration and the plugins for a reload.
 *
 * It may have to ask far away for secrets, and to wait for file systems: meanwhile the supervisor
 * goes on hearing signals and filling seats.  PROGRAM read-config TEXT PARCEL OPTION… writes to the
 * descriptor TEXT: the text of sx_config_dump where it ends with 0, faults, each with a NUL behind,
 * where with 2, and otherwise what is not to be told.  Where it ends with 0, the copies of the
 * plugins, or what is wrong with these, lie in PARCEL (parcel.h).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "supervisor/parcel.h"
#include "supervisor/supervisor_private.h"

#define MAX_TEXT_BYTES (32u << 20)
#define MAX_OPTIONS    8u
#define LIMIT_MS       90000u /* above the largest secrets.deadline_ms */
#define END_MS         5000u  /* of one that is given up: files are synced */

static pid_t spawn(const struct sx_supervisor *sup, int text_fd, int parcel_fd)
{
    char program[] = "sim-exchange", read_config[] = "read-config", text[16], parcel[16];
    char *argv[MAX_OPTIONS + 5] = { program, read_config, text, parcel };
    const int keep[] = { text_fd, parcel_fd };
    struct sx_spawn how = { .exe_fd = sup->exe_fd,
                            .argv = argv,
                            .envp = sup->envp,
                            .control_fd = -1,
                            .heeds_term = true,
                            .is_patient = true,
                            .keep = keep,
                            .n_keep = 2 };

    (void)snprintf(text, sizeof text, "%d", text_fd);
    (void)snprintf(parcel, sizeof parcel, "%d", parcel_fd);
    for (size_t i = 0; i < MAX_OPTIONS && sup->set->reader_options[i] != NULL; i++)
        argv[4 + i] = sup->set->reader_options[i];
    return sx_spawn_worker(&how);
}

/* The process and its two channels, which are the child's in any case. */
static int launch(const struct sx_supervisor *sup, struct sx_child *child)
{
    int fds[2], saved;

    child->text_fd = memfd_create("reading", MFD_CLOEXEC);
    if (child->text_fd < 0 || sx_control_open(fds) != 0)
        return SX_ERR_IO;
    child->parcel_fd = fds[0];
    child->pid = spawn(sup, child->text_fd, fds[1]);
    saved = errno;
    (void)close(fds[1]);
    errno = saved;
    return child->pid > 0 ? 0 : SX_ERR_IO;
}

int sx_reading_start(struct sx_supervisor *sup)
{
    struct sx_child *child = calloc(1, sizeof *child);

    if (child == NULL)
        return SX_ERR_IO; /* ENOMEM */
    *child = (struct sx_child){ .kind = SX_CHILD_READER,
                                .state = SX_CHILD_STARTING,
                                .control_fd = -1,
                                .text_fd = -1,
                                .parcel_fd = -1,
                                .slot = SX_BOARD_NONE };
    sx_list_push(&sup->children, &child->link);
    if (launch(sup, child) != 0) {
        int saved = errno;

        sx_child_destroy(sup, child);
        errno = saved;
        return SX_ERR_IO;
    }
    sx_child_set_deadline(child, LIMIT_MS);
    sup->reader = child;
    return 0;
}

/* With a signal that it holds back while it has files of which we do not know. */
void sx_reading_abort(struct sx_supervisor *sup)
{
    if (sup->reader == NULL)
        return;
    (void)kill(sup->reader->pid, SIGTERM);
    sx_child_set_deadline(sup->reader, END_MS);
    sup->reader = NULL;
}

static char *read_text(int fd, size_t *ret_len)
{
    struct stat st;
    char *text;

    if (fstat(fd, &st) != 0 || st.st_size > (off_t)MAX_TEXT_BYTES)
        return NULL;
    text = malloc((size_t)st.st_size + 1);
    if (text != NULL && pread(fd, text, (size_t)st.st_size, 0) != st.st_size) {
        free(text);
        return NULL;
    }
    if (text != NULL)
        text[st.st_size] = '\0';
    *ret_len = (size_t)st.st_size;
    return text;
}

static void take_faults(const char *text, size_t len, struct sx_report *rep)
{
    for (const char *at = text; at < text + len; at += strlen(at) + 1)
        sx_report_add(rep, "%s", at);
}

/* What a reader has written, which may have files. */
static int restore(const char *text, size_t len, struct sx_config **ret_config)
{
    int rc = sx_config_restore(text, len, ret_config);

    if (rc == 0)
        sx_config_own_files(*ret_config, true);
    return rc;
}

/* Of a reader that nobody waits for, or that has not come to its end. */
static void discard(const char *text, size_t len)
{
    struct sx_config *config = NULL;

    if (restore(text, len, &config) == 0)
        sx_config_destroy(config);
}

static void take_copies(struct sx_supervisor *sup, struct sx_report *rep, struct sx_copies *copies)
{
    struct sx_report notices;
    int rc;

    sx_report_init(&notices);
    rc = sx_parcel_receive(sup->reader->parcel_fd, &notices, rep, copies);
    if (rc != 0 && rep->n_faults == 0)
        sx_report_add(rep, "the copies of the plugins could not be taken over: %s",
                      rc == SX_ERR_IO        ? strerror(errno)
                      : rc == SX_ERR_MISSING ? "none have come"
                                             : "no memory");
    sx_supervisor_log(sup, SX_LOG_WARNING, &notices);
    sx_report_finish(&notices);
}

static bool has_code(int status, int code)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == code;
}

static void free_text(char *text, size_t len)
{
    if (text != NULL)
        explicit_bzero(text, len);
    free(text);
}

int sx_reading_take(struct sx_supervisor *sup, int status, struct sx_report *rep,
                    struct sx_config **ret_config, struct sx_copies *ret_copies)
{
    const char *reason = sup->reader->reason;
    size_t len = 0;
    char *text = read_text(sup->reader->text_fd, &len);
    int rc = SX_ERR_INVALID;

    if (text != NULL && has_code(status, SX_EXIT_CLEAN))
        rc = restore(text, len, ret_config);
    else if (text != NULL && has_code(status, SX_EXIT_CONFIG))
        take_faults(text, len, rep);
    else if (text != NULL)
        discard(text, len);
    if (rc == 0)
        take_copies(sup, rep, ret_copies);
    else if (rep->n_faults == 0)
        sx_report_add(rep,
                      "the configuration and its plugins could not be read: the process that reads "
                      "them %s",
                      reason != NULL        ? reason
                      : WIFSIGNALED(status) ? strsignal(WTERMSIG(status))
                                            : "has failed");
    free_text(text, len);
    sup->reader = NULL;
    return rc;
}

void sx_reading_drop(struct sx_supervisor *sup, const struct sx_child *reader)
{
    size_t len = 0;
    char *text = read_text(reader->text_fd, &len);

    if (text != NULL)
        discard(text, len);
    free_text(text, len);
    sx_log_line(sup->log, SX_LOG_DEBUG, NULL, "a reader that was given up has ended");
}
