#include "http/handshake.h"

#include <string.h>

#include "base/file.h"
#include "http/field.h"
#include "http/http_private.h"

#define KEY_LEN 24 /* of 16 bytes in base64 */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static bool is_key(struct sx_slice key)
{
    if (key.len != KEY_LEN || key.data[KEY_LEN - 2] != '=' || key.data[KEY_LEN - 1] != '=')
        return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++)
        if (key.data[i] == '\0' || strchr(base64, key.data[i]) == NULL)
            return false;
    return true;
}

/* The only field of that name; absent also when there are two. */
static struct sx_slice single(const struct sx_http_req *r, const char *name)
{
    struct sx_slice found = { NULL, 0 };

    for (uint32_t i = 0; i < r->n_headers; i++) {
        if (!sx_slice_is_nocase(r->headers[i].name, name))
            continue;
        if (found.data != NULL)
            return (struct sx_slice){ NULL, 0 };
        found = r->headers[i].value;
    }
    return found;
}

/* A page of another site would come with the user's cookies, and no browser asks first (RFC 6455,
 * section 10.2).  Only browsers send Origin, so others are not asked. */
static bool is_origin_allowed(const struct sx_http_req *r)
{
    const struct sx_cors *cors = r->server->set.cors;
    struct sx_slice origin = sx_http_header(r, "origin", 6);
    struct sx_slice host = origin;
    const char *at = origin.len < 3 ? NULL : memmem(origin.data, origin.len, "://", 3);

    if (origin.data == NULL)
        return true;
    if (at != NULL) {
        host = sx_slice_after(origin, (size_t)(at - origin.data) + 3);
        if (sx_slice_equals_nocase(host, r->host))
            return true;
    }
    return cors != NULL && sx_cors_has_origin(cors, origin);
}

const struct sx_handshake_fault *sx_handshake_fault(const struct sx_http_req *r)
{
    static const struct sx_handshake_fault faults[] = {
        { 426, "upgrade_required", "this is a WebSocket: ask for it with \"Upgrade: websocket\"" },
        { 426, "upgrade_required", "Sec-WebSocket-Version must be 13" },
        { 400, "bad_handshake", "Sec-WebSocket-Key must be 16 bytes in base64, once" },
        { 400, "bad_handshake", "a WebSocket's handshake has no body" },
        { 403, "origin_denied", "pages of this origin may not open a WebSocket here" },
    };

    if (!r->asks_websocket)
        return &faults[0];
    if (!sx_slice_is(single(r, "sec-websocket-version"), "13"))
        return &faults[1];
    if (!is_key(single(r, "sec-websocket-key")))
        return &faults[2];
    if (r->has_body)
        return &faults[3];
    return is_origin_allowed(r) ? NULL : &faults[4];
}

static void encode(const uint8_t *data, size_t len, char *to)
{
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t word = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                        (left > 2 ? data[i + 2] : 0u);

        *to++ = base64[word >> 18];
        *to++ = base64[word >> 12 & 63];
        *to++ = left > 1 ? base64[word >> 6 & 63] : '=';
        *to++ = left > 2 ? base64[word & 63] : '=';
    }
    *to = '\0';
}

void sx_handshake_accept(const struct sx_http_req *r, char ret_accept[SX_HANDSHAKE_ACCEPT_LEN + 1])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[KEY_LEN + sizeof guid];
    uint8_t digest[SX_SHA1_BYTES];

    memcpy(text, sx_http_header(r, "sec-websocket-key", 17).data, KEY_LEN);
    memcpy(text + KEY_LEN, guid, sizeof guid);
    sx_sha1(text, KEY_LEN + sizeof guid - 1, digest);
    encode(digest, sizeof digest, ret_accept);
}

bool sx_handshake_offers(struct sx_http_req *r, struct sx_slice protocol)
{
    struct sx_slice list = sx_http_header_list(r, "sec-websocket-protocol", 22);
    struct sx_slice item;

    while (sx_field_list_next(&list, &item))
        if (sx_slice_equals(item, protocol))
            return true;
    return false;
}
