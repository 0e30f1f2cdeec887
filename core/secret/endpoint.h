/*
 * secret/endpoint.h - where the services are.
 *
 * A variable of the environment may name another place, as for emulators.  Plain http only to
 * loopback: a token goes with each call.
 */
#ifndef SX_SECRET_ENDPOINT_H
#define SX_SECRET_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

enum sx_endpoint { SX_ENDPOINT_METADATA, SX_ENDPOINT_SM, SX_ENDPOINT_STORAGE, SX_ENDPOINT_KMS };

#define SX_ENDPOINT_WHY 256

/* "https://secretmanager.googleapis.com", without a slash at its end; the caller frees.
 * SX_ERR_INVALID with a sentence in why when the variable names what it may not. */
int sx_endpoint_base(enum sx_endpoint which, char **ret_base, char why[SX_ENDPOINT_WHY]);

bool sx_endpoint_is_https(const char *url);
/* With its port where the URL has one. */
void sx_endpoint_host(const char *url, char *ret_host, size_t size);

#endif /* SX_SECRET_ENDPOINT_H */
