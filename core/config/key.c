/*
 * config/key.c - the table of all keys.
 *
 * One line per key drives reading, checking, defaults, the printed effective configuration and
 * config/schema.json.  To add a key: a member in config.h, a line here, its default in
 * config/base.json, and `sim-exchange config --schema > config/schema.json`; a test compares.
 */
#include "config/config_private.h"

#include <stddef.h>
#include <string.h>

#define AT(member)        offsetof(struct sx_config, member)
#define OF_PLUGIN(member) offsetof(struct sx_config_plugin, member)

static const char *const poolers[] = { "none", "transaction", NULL };
static const char *const budgets[] = { "warn", "require", NULL };
static const char *const levels[] = { "debug", "info", "warning", "error", NULL };
static const char *const formats[] = { "auto", "json", "text", NULL };
static const char *const accesses[] = { "all", "errors", "off", NULL };
static const char *const sandboxes[] = { "off", "on", "required", NULL };
static const char *const pins[] = { "auto", "required", "optional", NULL };
static const char *const grants[] = { "db", "blocking", "stream", "all_routes", NULL };

#define INT(path_, member, min_, max_, unit_, preset_, doc_)                               \
    {                                                                                      \
        .path = path_, .type = CONFIG_INT, .offset = AT(member), .min = min_, .max = max_, \
        .unit = unit_, .preset = preset_, .doc = doc_                                      \
    }
#define BOOL(path_, member, preset_, doc_)                                                       \
    {                                                                                            \
        .path = path_, .type = CONFIG_BOOL, .offset = AT(member), .preset = preset_, .doc = doc_ \
    }

#define HOUR_MS 3600000
#define MIB     (1024 * 1024)
#define GIB     (1024 * 1024 * 1024)

const struct config_key config_keys[] = {
    { .path = "server.address",
      .type = CONFIG_TEXT,
      .offset = AT(server.address),
      .preset = "\"0.0.0.0\"",
      .format = &config_format_address,
      .doc = "Where to listen: an IPv4 address, an IPv6 address in brackets, or unix:/path." },
    INT("server.port", server.port, 1, 65535, NULL, "5009",
        "The port; the environment variable PORT wins."),
    { .path = "server.listen",
      .type = CONFIG_LIST,
      .offset = AT(server.listen),
      .preset = "[]",
      .format = &config_format_listen,
      .doc = "Further addresses, each with its port: ADDRESS:PORT or unix:/path." },
    INT("server.workers", server.workers, 0, 1024, NULL, "0",
        "Worker processes; 0: one per CPU that the cgroup grants."),
    INT("server.pool_threads", server.pool_threads, 1, 1024, NULL, "4",
        "Threads per worker for blocking handlers."),
    INT("server.pool_queue", server.pool_queue, 0, 1000000, NULL, "256",
        "Blocking calls that may wait for a thread; 503 above."),
    { .path = "server.trusted_proxies",
      .type = CONFIG_LIST,
      .offset = AT(server.trusted_proxies),
      .preset = "[]",
      .format = &config_format_peer,
      .doc =
          "Peers whose X-Forwarded-* count: addresses, networks such as 10.0.0.0/8, or unix. Where "
          "K_SERVICE is set 169.254.0.0/16, unless a file says otherwise." },
    INT("server.drain_ms", server.drain_ms, 0, HOUR_MS, "ms", "10000",
        "How long requests may take to end after a stop or a reload; where K_SERVICE is set (Cloud "
        "Run) at most 8000, unless an overlay says more."),
    INT("server.drain_delay_ms", server.drain_delay_ms, 0, HOUR_MS, "ms", "0",
        "How long to go on accepting after a stop was asked for."),
    INT("server.start_ms", server.start_ms, 100, HOUR_MS, "ms", "10000",
        "A worker must be ready within this time."),
    INT("server.stream_ms", server.stream_ms, 0, 86400000, "ms", "300000",
        "After a reload, streams of plugins that it did not change go on in the old workers for so "
        "long."),
    { .path = "server.state_dir",
      .type = CONFIG_TEXT,
      .offset = AT(server.state_dir),
      .preset = "\"\"",
      .is_folder_relative = true,
      .doc = "Folder for private copies of plugins, made if absent; empty: "
             "${TMPDIR:-/tmp}/sim-exchange-UID." },
    { .path = "server.plugin_dir",
      .type = CONFIG_TEXT,
      .offset = AT(server.plugin_dir),
      .preset = "\"\"",
      .is_folder_relative = true,
      .doc = "Where a plugin without a path is looked for; empty: the folder plugins beside the "
             "program." },
    { .path = "server.control",
      .type = CONFIG_TEXT,
      .offset = AT(server.control),
      .preset = "\"\"",
      .is_folder_relative = true,
      .doc = "The socket for commands (reload, release, status); empty: control-PORT.sock in "
             "server.state_dir." },

    INT("quarantine.crashes", quarantine.crashes, 0, 100, NULL, "5",
        "A plugin that crashes or stalls so often is quarantined; 0: never."),
    INT("quarantine.within_s", quarantine.within_s, 1, 86400, "s", "60",
        "The time in which its crashes are counted."),
    INT("quarantine.first_s", quarantine.first_s, 1, 86400, "s", "30",
        "How long the first quarantine lasts; each further one twice as long as the one before."),
    INT("quarantine.max_s", quarantine.max_s, 1, 86400, "s", "3600", "The longest quarantine."),

    INT("watchdog.warn_ms", watchdog.warn_ms, 0, HOUR_MS, "ms", "100",
        "A call into a plugin that keeps the loop for longer is warned of; 0: none is."),
    INT("watchdog.kill_ms", watchdog.kill_ms, 0, HOUR_MS, "ms", "10000",
        "A worker whose loop is kept for longer is replaced; 0: never."),

    INT("http.request_line_bytes", http.request_line_bytes, 256, MIB, "bytes", "8192",
        "Longest request line; 414 above."),
    INT("http.header_bytes", http.header_bytes, 256, MIB, "bytes", "16384",
        "All header lines of a request together; 431 above."),
    INT("http.header_count", http.header_count, 1, 10000, NULL, "100",
        "Header lines of a request; 431 above."),
    INT("http.body_bytes", http.body_bytes, 0, GIB, "bytes", "1048576",
        "Longest request body, unless the route says otherwise; 413 above."),
    INT("http.spool_bytes", http.spool_bytes, 0, GIB, "bytes", "65536",
        "An uploaded part above this goes to a file."),
    INT("http.upload_bytes", http.upload_bytes, 0, GIB, "bytes", "33554432",
        "All parts of one upload together; 413 above."),
    INT("http.spooled_bytes", http.spooled_bytes, 0, GIB, "bytes", "268435456",
        "Files of all uploads of a worker together; 507 above. 0: no limit."),
    INT("http.response_bytes", http.response_bytes, 1024, GIB, "bytes", "67108864",
        "Longest response that is not a stream."),
    INT("http.pipelined", http.pipelined, 1, 10000, NULL, "32",
        "Requests of one connection under way."),
    INT("http.unread_bytes", http.unread_bytes, 1024, GIB, "bytes", "262144",
        "Answers that a client has not read; above, nothing more is read from it."),
    INT("http.connections", http.connections, 1, 1000000, NULL, "20000",
        "Connections per worker; 503 above."),
    INT("http.connections_per_client", http.connections_per_client, 0, 1000000, NULL, "0",
        "Connections per worker from one address (IPv6: one /64); 503 above; 0: any number. Peers in "
        "server.trusted_proxies are not counted, nor the clients behind them."),
    INT("http.buffered_bytes", http.buffered_bytes, 65536, GIB, "bytes", "134217728",
        "Bodies that a worker holds, all together, and as much again of answers that are not read; "
        "above, the slowest clients go, and a body that finds no room is answered 503."),
    INT("http.header_ms", http.header_ms, 1, HOUR_MS, "ms", "10000",
        "Time for the headers of a request; 408 after."),
    INT("http.body_ms", http.body_ms, 1, HOUR_MS, "ms", "30000",
        "Longest wait for the next bytes of a request's body; 408 after."),
    INT("http.idle_ms", http.idle_ms, 1, HOUR_MS, "ms", "75000",
        "How long a connection is kept between requests; behind a load balancer longer than its "
        "own time. Where K_SERVICE is set at least 620000, unless an overlay says less."),
    INT("http.write_ms", http.write_ms, 1, HOUR_MS, "ms", "30000",
        "A client that reads nothing for so long is disconnected."),
    INT("http.request_ms", http.request_ms, 1, HOUR_MS, "ms", "30000",
        "A handler's deadline, unless its route says otherwise."),
    INT("http.min_body_rate", http.min_body_rate, 0, GIB, "bytes per second", "240",
        "A body that comes more slowly in any http.body_ms is given up, 408; 0: as slowly as its "
        "client likes."),
    INT("http.min_write_rate", http.min_write_rate, 0, GIB, "bytes per second", "240",
        "A client that takes an answer more slowly in any http.write_ms is disconnected; 0: only "
        "one that takes nothing."),
    INT("http.ws_message_bytes", http.ws_message_bytes, 1, GIB, "bytes", "1048576",
        "Longest message from a WebSocket, with all its fragments; closed with 1009 above."),
    INT("http.ws_ping_ms", http.ws_ping_ms, 0, HOUR_MS, "ms", "30000",
        "A WebSocket that sends nothing for so long is sent a ping, and disconnected when it sends "
        "nothing for as long again; 0: never."),
    BOOL("http.gzip", http.gzip, "true", "Compress text for clients that accept it."),
    INT("http.gzip_bytes", http.gzip_bytes, 0, GIB, "bytes", "1024",
        "Shorter bodies are sent as they are."),
    { .path = "http.cors.origins",
      .type = CONFIG_LIST,
      .offset = AT(http.cors.origins),
      .preset = "[]",
      .format = &config_format_origin,
      .doc = "Origins that may call from a browser; empty: CORS is off; \"*\": any." },
    { .path = "http.cors.methods",
      .type = CONFIG_LIST,
      .offset = AT(http.cors.methods),
      .preset = "[\"GET\", \"HEAD\", \"POST\", \"PUT\", \"PATCH\", \"DELETE\"]",
      .format = &config_format_token,
      .doc = "Methods such a call may use." },
    { .path = "http.cors.headers",
      .type = CONFIG_LIST,
      .offset = AT(http.cors.headers),
      .preset = "[\"Content-Type\", \"Authorization\"]",
      .format = &config_format_token,
      .doc = "Request headers such a call may set." },
    { .path = "http.cors.expose",
      .type = CONFIG_LIST,
      .offset = AT(http.cors.expose),
      .preset = "[]",
      .format = &config_format_token,
      .doc = "Response headers that a script may read." },
    BOOL("http.cors.credentials", http.cors.credentials, "false",
         "Allow cookies; not together with the origin \"*\"."),
    INT("http.cors.max_age_s", http.cors.max_age_s, 0, 86400, "s", "600",
        "How long a browser may remember the answer to a preflight request."),

    { .path = "database.url",
      .type = CONFIG_TEXT,
      .offset = AT(database.url),
      .preset = "\"${DATABASE_URL:-}\"",
      .format = &config_format_database,
      .doc = "A connection URL or key=value text of libpq; empty: no database.  The environment "
             "variable DATABASE_URL wins." },
    { .path = "database.direct_url",
      .type = CONFIG_TEXT,
      .offset = AT(database.direct_url),
      .preset = "\"\"",
      .format = &config_format_database,
      .doc = "Past a pooler, for LISTEN and the command migrate; empty: the same as url." },
    { .path = "database.pooler",
      .type = CONFIG_TEXT,
      .offset = AT(database.pooler),
      .preset = "\"none\"",
      .choices = poolers,
      .doc = "transaction: a pooler in transaction mode stands before the database." },
    INT("database.pool_size", database.pool_size, 1, 1000, NULL, "4",
        "Connections per worker, shared and leased together; at most 2 where K_SERVICE is set, unless "
        "an overlay or the variable DATABASE_POOL_SIZE says more."),
    INT("database.instances", database.instances, 1, 100000, NULL, "1",
        "Instances of the service that may run at once, for the budget of connections."),
    { .path = "database.budget",
      .type = CONFIG_TEXT,
      .offset = AT(database.budget),
      .preset = "\"warn\"",
      .choices = budgets,
      .doc =
          "When all instances may open more connections than the server allows: warn says so in the "
          "log, require refuses to start or reload." },
    INT("database.queue", database.queue, 1, 1000000, NULL, "1024",
        "Statements that may wait; 503 above."),
    INT("database.statement_ms", database.statement_ms, 1, HOUR_MS, "ms", "10000",
        "Longest statement, unless the route has another deadline."),
    INT("database.connect_ms", database.connect_ms, 100, HOUR_MS, "ms", "5000",
        "Time for making a connection."),
    BOOL("database.roles", database.roles, "true",
         "A role per plugin where the login may create or use it."),

    { .path = "log.level",
      .type = CONFIG_TEXT,
      .offset = AT(log.level),
      .preset = "\"info\"",
      .choices = levels,
      .doc = "Lines below it are not written." },
    { .path = "log.format",
      .type = CONFIG_TEXT,
      .offset = AT(log.format),
      .preset = "\"auto\"",
      .choices = formats,
      .doc = "auto: text on a terminal, else JSON." },
    { .path = "log.access",
      .type = CONFIG_TEXT,
      .offset = AT(log.access),
      .preset = "\"errors\"",
      .choices = accesses,
      .doc = "Which requests get a line." },
    INT("log.slow_ms", log.slow_ms, 0, HOUR_MS, "ms", "1000",
        "A request that takes longer gets a line even with errors."),
    { .path = "log.trace_project",
      .type = CONFIG_TEXT,
      .offset = AT(log.trace_project),
      .preset = "\"\"",
      .format = &config_format_project,
      .doc = "Google Cloud project for links to traces; empty: none." },

    { .path = "process.user",
      .type = CONFIG_TEXT,
      .offset = AT(process.user),
      .preset = "\"\"",
      .doc = "Whom the server becomes after it has opened its sockets, when root starts it: a name "
             "or a number; empty: it stays what it is." },
    { .path = "process.group",
      .type = CONFIG_TEXT,
      .offset = AT(process.group),
      .preset = "\"\"",
      .doc = "Its only group; empty: that of the user." },
    { .path = "process.sandbox",
      .type = CONFIG_TEXT,
      .offset = AT(process.sandbox),
      .preset = "\"off\"",
      .choices = sandboxes,
      .doc = "Keep workers from system calls and files that serving needs not (seccomp, Landlock). "
             "on: as far as the kernel can; required: or refuse to start." },
    { .path = "process.read",
      .type = CONFIG_LIST,
      .offset = AT(process.read),
      .preset = "[]",
      .is_folder_relative = true,
      .doc = "Further files and folders that plugins may read in the sandbox." },
    { .path = "process.write",
      .type = CONFIG_LIST,
      .offset = AT(process.write),
      .preset = "[]",
      .is_folder_relative = true,
      .doc = "Further files and folders that plugins may read and write in the sandbox." },
    BOOL(
        "process.core_dumps", process.core_dumps, "false",
        "Let the kernel dump core, and debuggers of the same user attach; a core has the secrets."),

    { .path = "trust.pins",
      .type = CONFIG_TEXT,
      .offset = AT(trust.pins),
      .preset = "\"auto\"",
      .choices = pins,
      .doc = "Whether every plugin needs its sha256; auto: in the environment production." },
    BOOL("trust.signatures", trust.signatures, "false", "Every plugin must be signed."),
    { .path = "trust.keys",
      .type = CONFIG_LIST,
      .offset = AT(trust.keys),
      .preset = "[]",
      .is_folder_relative = true,
      .doc = "Public keys whose signatures count: PEM files, ed25519; empty: signatures are not "
             "looked at." },

    INT("secrets.deadline_ms", secrets.deadline_ms, 100, 60000, "ms", "10000",
        "All secrets that a start or a reload needs must be there within this time."),
    INT("secrets.tries", secrets.tries, 1, 100, NULL, "5",
        "How often a call for a secret is tried whose failure may pass: 429, 5xx, a connection that "
        "breaks."),
    INT("secrets.parallel", secrets.parallel, 1, 256, NULL, "32",
        "Connections for secrets at a time."),
    { .path = "secrets.pins",
      .type = CONFIG_TEXT,
      .offset = AT(secrets.pins),
      .preset = "\"auto\"",
      .choices = pins,
      .doc = "Whether every reference to a secret needs its version; auto: in the environment "
             "production." },

    { .path = "app_secret",
      .type = CONFIG_TEXT,
      .offset = AT(app_secret),
      .preset = "\"\"",
      .is_secret = true,
      .doc = "The application's secret; the environment variable APP_SECRET wins." },
    { 0 },
};

const struct config_key config_plugin_keys[] = {
    { .path = "enabled",
      .type = CONFIG_BOOL,
      .offset = OF_PLUGIN(enabled),
      .preset = "true",
      .doc = "Whether it is loaded." },
    { .path = "path",
      .type = CONFIG_TEXT,
      .offset = OF_PLUGIN(path),
      .preset = "\"\"",
      .is_folder_relative = true,
      .doc = "The file; empty: NAME.so in server.plugin_dir." },
    { .path = "mount.prefix",
      .type = CONFIG_TEXT,
      .offset = OF_PLUGIN(prefix),
      .preset = "\"\"",
      .format = &config_format_prefix,
      .doc = "Put before the paths of its routes." },
    { .path = "mount.host",
      .type = CONFIG_TEXT,
      .offset = OF_PLUGIN(host),
      .preset = "\"\"",
      .format = &config_format_host,
      .doc = "Only requests for this host; empty: any." },
    { .path = "grants",
      .type = CONFIG_LIST,
      .offset = OF_PLUGIN(grants),
      .preset = "[]",
      .choices = grants,
      .doc = "What it may do, of what its manifest asks for." },
    { .path = "options",
      .type = CONFIG_OBJECT,
      .offset = OF_PLUGIN(options),
      .preset = "{}",
      .doc = "Its own options, as its manifest describes them." },
    { .path = "limits.body_bytes",
      .type = CONFIG_INT,
      .offset = OF_PLUGIN(max_body_bytes),
      .max = GIB,
      .unit = "bytes",
      .preset = "0",
      .doc = "Longest request body for its routes; 0: as the route or the server says." },
    { .path = "limits.timeout_ms",
      .type = CONFIG_INT,
      .offset = OF_PLUGIN(timeout_ms),
      .max = HOUR_MS,
      .unit = "ms",
      .preset = "0",
      .doc = "Deadline of its handlers; 0: as the route or the server says." },
    { .path = "sha256",
      .type = CONFIG_TEXT,
      .offset = OF_PLUGIN(sha256),
      .preset = "\"\"",
      .format = &config_format_sha256,
      .doc = "The file must have this digest; empty: any." },
    { 0 },
};

const struct config_key *config_key_find(const struct config_key *table, const char *path)
{
    for (; table->path != NULL; table++) {
        if (strcmp(table->path, path) == 0)
            return table;
    }
    return NULL;
}

bool config_key_is_group(const struct config_key *table, const char *path)
{
    size_t len = strlen(path);

    for (; table->path != NULL; table++) {
        if (strncmp(table->path, path, len) == 0 && table->path[len] == '.')
            return true;
    }
    return false;
}

const struct config_key *config_key_of_path(const char *path)
{
    const char *rest;

    if (strncmp(path, "plugins.", strlen("plugins.")) != 0)
        return config_key_find(config_keys, path);
    rest = strchr(path + strlen("plugins."), '.');
    return rest != NULL ? config_key_find(config_plugin_keys, rest + 1) : NULL;
}
