/*
 * http/media.h - the content type of a file, by its name.
 */
#ifndef SX_HTTP_MEDIA_H
#define SX_HTTP_MEDIA_H

#include "base/slice.h"

/* By the extension, any case; text has charset=utf-8; application/octet-stream when unknown.
 * A literal. */
const char *sx_media_type(struct sx_slice path);

#endif /* SX_HTTP_MEDIA_H */
