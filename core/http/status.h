/*
 * http/status.h - the reason phrases of RFC 9110, section 15, and of its companions.
 */
#ifndef SX_HTTP_STATUS_H
#define SX_HTTP_STATUS_H

/* Never NULL; "Unknown" for a number without a name. */
const char *sx_status_reason(int status);

#endif /* SX_HTTP_STATUS_H */
