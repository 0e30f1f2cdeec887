/*
 * probe.h - what the files of this plugin share.
 */
#ifndef PROBE_H
#define PROBE_H

#include <sx/plugin.h>

#define MAX_MS 60000 /* of sleep, work and stream */

/* A number of the query that was declared as SX_INT, kept between 0 and max. */
int64_t number_arg(const sx_req *r, const char *name, int64_t fallback, int64_t max);

/* GET /probe/stream, and the end of all streams of this worker.  [loop] */
int open_stream(sx_req *r);
void end_streams(sx_plugin *p);

/* The state of the plugin: the streams that are open. */
int start_streams(sx_plugin *p);
void stop_streams(sx_plugin *p);

/* WEBSOCKET /probe/ws: every message comes back.  [loop] */
int open_echo(sx_req *r);

#endif /* PROBE_H */
