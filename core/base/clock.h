/*
 * base/clock.h - time, read and written.
 */
#ifndef SX_BASE_CLOCK_H
#define SX_BASE_CLOCK_H

#include <stdint.h>

#define SX_HTTP_DATE_LEN 29
#define SX_RFC3339_LEN   27

uint64_t sx_clock_mono_ns(void);   /* CLOCK_MONOTONIC */
uint64_t sx_clock_coarse_ms(void); /* CLOCK_MONOTONIC_COARSE: behind by up to a tick, but cheap */
int64_t sx_clock_wall_ns(void);    /* CLOCK_REALTIME, since 1970 */

/* IMF-fixdate, RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT"; no NUL. */
void sx_format_http_date(char to[SX_HTTP_DATE_LEN], int64_t unix_s);
/* All three forms that a recipient must accept; SX_ERR_INVALID otherwise. */
int sx_parse_http_date(const char *data, unsigned long len, int64_t *ret_unix_s);
/* "2026-01-31T23:59:59.123456Z"; no NUL. */
void sx_format_rfc3339(char to[SX_RFC3339_LEN], int64_t wall_ns);

#endif /* SX_BASE_CLOCK_H */
