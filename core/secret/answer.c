/* secret/answer.c - what the process that asks hands back, through a pipe. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "secret/secret.h"

#define MAX_PART_BYTES (4u << 20)
#define NONE           UINT32_MAX

void sx_secret_answer_finish(struct sx_secret_answer *answer)
{
    if (answer->value != NULL)
        explicit_bzero(answer->value, answer->len);
    free(answer->value);
    free(answer->version);
    free(answer->fault);
    *answer = (struct sx_secret_answer){ .value = NULL };
}

static int read_all(int fd, void *data, size_t len)
{
    char *at = data;

    while (len > 0) {
        ssize_t n = read(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return SX_ERR_IO;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_part(int fd, const char *data, size_t len)
{
    const uint32_t n = data == NULL ? NONE : (uint32_t)len;
    int err = len > MAX_PART_BYTES ? SX_ERR_INVALID : sx_write_all(fd, &n, sizeof n);

    return err != 0 || data == NULL ? err : sx_write_all(fd, data, len);
}

static int read_part(int fd, char **ret_data, size_t *ret_len)
{
    uint32_t n;
    char *data;
    int err = read_all(fd, &n, sizeof n);

    if (err != 0 || n == NONE)
        return err;
    if (n > MAX_PART_BYTES)
        return SX_ERR_IO;
    data = malloc((size_t)n + 1);
    if (data == NULL)
        return SX_ERR_NOMEM;
    data[n] = '\0';
    err = read_all(fd, data, n);
    if (err != 0) {
        free(data);
        return err;
    }
    *ret_data = data;
    *ret_len = n;
    return 0;
}

int sx_secret_answers_write(int fd, const struct sx_secret_answer *answers, size_t n)
{
    int err = 0;

    for (size_t i = 0; err == 0 && i < n; i++) {
        const struct sx_secret_answer *a = &answers[i];

        err = write_part(fd, a->value, a->len);
        if (err == 0)
            err = write_part(fd, a->version, a->version != NULL ? strlen(a->version) : 0);
        if (err == 0)
            err = write_part(fd, a->fault, a->fault != NULL ? strlen(a->fault) : 0);
    }
    return err;
}

int sx_secret_answers_read(int fd, struct sx_secret_answer *answers, size_t n)
{
    size_t len;
    int err = 0;

    for (size_t i = 0; err == 0 && i < n; i++) {
        err = read_part(fd, &answers[i].value, &answers[i].len);
        if (err == 0)
            err = read_part(fd, &answers[i].version, &len);
        if (err == 0)
            err = read_part(fd, &answers[i].fault, &len);
        if (err == 0 && (answers[i].value == NULL) == (answers[i].fault == NULL))
            err = SX_ERR_IO;
    }
    return err;
}
