/*
 * Broken configurations: each fault with its file, its line, what was found and expected.
 */
#include "config_test_folder.h"

#include "base/error.h"

struct broken {
    const char *name;
    const char *base;    /* NULL: empty */
    const char *testing; /* NULL: "{}" */
    char *const *environ_;
    const char *message; /* the only fault */
};

#define VARIABLES(...) ((char *const[]){ __VA_ARGS__, NULL })
#define LONG_NAME      "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg"

static const struct broken cases[] = {
    { .name = "a text where an integer belongs",
      .testing = "{\n \"server\": {\n  \"workers\": \"ten\"\n }\n}",
      .message = "config/testing.json:3: server.workers: expected an integer, found \"ten\"\n"
                 "Set it between 0 and 1024." },
    { .name = "a number in quotes",
      .testing = "{\"server\": {\"port\": \"8080\"}}",
      .message = "config/testing.json:1: server.port: expected an integer, found \"8080\"\n"
                 "Set it between 1 and 65535." },
    { .name = "a number with a fraction",
      .testing = "{\"http\":\n{\"idle_ms\":\n1.5}}",
      .message = "config/testing.json:2: http.idle_ms: expected an integer, found 1.5\n"
                 "Set it between 1 and 3600000 ms." },
    { .name = "an integer below its range",
      .testing = "{\"server\": {\n\"port\": 0}}",
      .message = "config/testing.json:2: server.port: expected at least 1, found 0\n"
                 "Set it between 1 and 65535." },
    { .name = "a negative integer",
      .testing = "{\"server\": {\n\"workers\": -1}}",
      .message = "config/testing.json:2: server.workers: expected at least 0, found -1\n"
                 "Set it between 0 and 1024." },
    { .name = "an integer above its range",
      .testing = "{\n\n\"database\": { \"pool_size\": 1001 }}",
      .message = "config/testing.json:3: database.pool_size: expected at most 1000, found 1001\n"
                 "Set it between 1 and 1000." },
    { .name = "an integer above 64 bits",
      .testing = "{\n\"database\": { \"queue\": 99999999999999999999 }}",
      .message = "config/testing.json:2: expected JSON, found a fault in column 43: "
                 "too big integer near '99999999999999999999'" },
    { .name = "a character in an escape, of which the parser shows a half",
      .testing = "{\n\"a\\u0é\": 1}",
      .message = "config/testing.json:2: expected JSON, found a fault in column 6: "
                 "invalid escape near '\"a\\u0?'" },
    { .name = "bytes in TMPDIR",
      .environ_ = VARIABLES("TMPDIR=/tmp/\xff"),
      .message = "environment TMPDIR: server.state_dir: expected an absolute path in UTF-8, found "
                 "another text" },
    { .name = "a TMPDIR that is relative",
      .environ_ = VARIABLES("TMPDIR=tmp"),
      .message = "environment TMPDIR: server.state_dir: expected an absolute path in UTF-8, found "
                 "another text" },
    { .name = "a fault in the base",
      .base = "{\n\"server\": {\"port\": null}}",
      .message = "config/base.json:2: server.port: expected an integer, found null\n"
                 "Set it between 1 and 65535." },
    { .name = "a fault in the base that the overlay replaces",
      .base = "{\n\"server\": {\"port\": true}}",
      .testing = "{\"server\": {\"port\": 1}}",
      .message = "config/base.json:2: server.port: expected an integer, found true\n"
                 "Set it between 1 and 65535." },
    { .name = "a text where a boolean belongs",
      .testing = "{\"http\": {\n\"gzip\": \"yes\"}}",
      .message = "config/testing.json:2: http.gzip: expected a boolean, found \"yes\"\n"
                 "Write true or false, without quotes." },
    { .name = "a number where a text belongs",
      .testing = "{\"log\": {\n\"level\": 3}}",
      .message = "config/testing.json:2: log.level: expected text in quotes, found 3" },
    { .name = "a text where a list belongs",
      .testing = "{\"server\": {\n\"trusted_proxies\": \"unix\"}}",
      .message = "config/testing.json:2: server.trusted_proxies: expected a list of texts, found "
                 "\"unix\"\nWrite it in brackets: [\"one\", \"two\"]." },
    { .name = "a text where an object belongs",
      .testing = "{\n\"server\": \"all\"}",
      .message = "config/testing.json:2: server: expected an object, found \"all\"" },
    { .name = "a list where the file belongs to be an object",
      .testing = "[]",
      .message = "config/testing.json:1: expected an object, found a list" },
    { .name = "a misspelt key",
      .testing = "{\"server\": {\n\n\"wrokers\": 1}}",
      .message = "config/testing.json:3: server.wrokers: unknown key\nDid you mean \"workers\"?" },
    { .name = "a misspelt group",
      .testing = "{\n\"databse\": {}}",
      .message = "config/testing.json:2: databse: unknown key\nDid you mean \"database\"?" },
    { .name = "the singular of plugins",
      .testing = "{\n\"plugin\": {}}",
      .message = "config/testing.json:2: plugin: unknown key\nDid you mean \"plugins\"?" },
    { .name = "a key that resembles nothing",
      .testing = "{\"log\": {\n\"xyzzy\": 1}}",
      .message = "config/testing.json:2: log.xyzzy: unknown key\n"
                 "Known here: level, format, access, slow_ms, trace_project." },
    { .name = "a top key that resembles nothing",
      .testing = "{\n\"xyzzy\": 1}",
      .message =
          "config/testing.json:2: xyzzy: unknown key\n"
          "Known here: server, quarantine, watchdog, http, database, log, process, trust, secrets, "
          "app_secret, plugins." },
    { .name = "an unknown key of a plugin",
      .testing = "{\"plugins\": {\"a\": {\"mount\": {\n\"prefx\": \"\"}}}}",
      .message = "config/testing.json:2: plugins.a.mount.prefx: unknown key\n"
                 "Did you mean \"prefix\"?" },
    { .name = "a key twice",
      .testing = "{\"server\": {\n\"port\": 1,\n\"port\": 2}}",
      .message = "config/testing.json:3: server.port: expected each key once, found it on line 2 "
                 "already\nRemove one of the two." },
    { .name = "a key twice, once in disguise",
      .testing = "{\n\"log\": {},\n\"l\\u006fg\": {}}",
      .message = "config/testing.json:3: log: expected each key once, found it on line 2 already\n"
                 "Remove one of the two." },
    { .name = "a whole group twice is one fault",
      .testing = "{\n\"log\": {\"level\": \"info\"},\n\"log\": {\n\"level\": \"info\"}}",
      .message = "config/testing.json:3: log: expected each key once, found it on line 2 already\n"
                 "Remove one of the two." },
    { .name = "a comma too many",
      .testing = "{\n\"log\": {},\n}",
      .message = "config/testing.json:3: expected JSON, found a fault in column 1: string or '}' "
                 "expected near '}'" },
    { .name = "a word that is none of those allowed",
      .testing = "{\"database\": {\n\"pooler\": \"session\"}}",
      .message = "config/testing.json:2: database.pooler: expected one of \"none\", "
                 "\"transaction\", found \"session\"" },
    { .name = "an abbreviated word",
      .testing = "{\"log\": {\n\"level\": \"warn\"}}",
      .message = "config/testing.json:2: log.level: expected one of \"debug\", \"info\", "
                 "\"warning\", \"error\", found \"warn\"\nDid you mean \"warning\"?" },
    { .name = "an unknown grant",
      .testing = "{\"plugins\": {\"a\": {\"grants\": [\"db\",\n\"blokcing\"]}}}",
      .message = "config/testing.json:2: plugins.a.grants[1]: expected one of \"db\", "
                 "\"blocking\", \"stream\", \"all_routes\", found \"blokcing\"\n"
                 "Did you mean \"blocking\"?" },
    { .name = "a digest in upper case",
      .testing = "{\"plugins\": {\"a\": {\n\"sha256\": "
                 "\"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855\"}}}",
      .message = "config/testing.json:2: plugins.a.sha256: expected 64 lower-case hexadecimal "
                 "digits, found \"E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"
                 "\"\n`sha256sum FILE.so` prints them." },
    { .name = "a prefix without its slash",
      .testing = "{\"plugins\": {\"a\": {\n\"mount\": {\"prefix\": \"orders\"}}}}",
      .message = "config/testing.json:2: plugins.a.mount.prefix: expected a path such as "
                 "\"/orders\", found \"orders\"\n"
                 "It starts with '/', does not end in '/', and has no parameters." },
    { .name = "a prefix that ends in a slash",
      .testing = "{\"plugins\": {\"a\": {\n\"mount\": {\"prefix\": \"/\"}}}}",
      .message = "config/testing.json:2: plugins.a.mount.prefix: expected a path such as "
                 "\"/orders\", found \"/\"\n"
                 "It starts with '/', does not end in '/', and has no parameters." },
    { .name = "a prefix with a parameter",
      .testing = "{\"plugins\": {\"a\": {\n\"mount\": {\"prefix\": \"/o/{id}\"}}}}",
      .message = "config/testing.json:2: plugins.a.mount.prefix: expected a path such as "
                 "\"/orders\", found \"/o/{id}\"\n"
                 "It starts with '/', does not end in '/', and has no parameters." },
    { .name = "a host with its port",
      .testing = "{\"plugins\": {\"a\": {\n\"mount\": {\"host\": \"a.example:80\"}}}}",
      .message = "config/testing.json:2: plugins.a.mount.host: expected a host name in lower "
                 "case, found \"a.example:80\"\n"
                 "Such as \"api.example.com\" or \"*.example.com\", without a port." },
    { .name = "a plugin's name with a dash",
      .testing = "{\"plugins\": {\n\"my-plugin\": {}}}",
      .message = "config/testing.json:2: plugins.my-plugin: expected the name of a plugin: at "
                 "most 63 lower-case letters, digits and '_', a letter first" },
    { .name = "a plugin's name that is too long for a schema",
      .testing = "{\"plugins\": {\n\"" LONG_NAME "\": {}}}",
      .message = "config/testing.json:2: plugins." LONG_NAME ": expected the name of a plugin: at "
                 "most 63 lower-case letters, digits and '_', a letter first" },
    { .name = "a plugin's options as a list",
      .testing = "{\"plugins\": {\"a\": {\n\"options\": []}}}",
      .message = "config/testing.json:2: plugins.a.options: expected an object, found a list" },
    { .name = "a name as an address",
      .testing = "{\"server\": {\n\"address\": \"localhost\"}}",
      .message = "config/testing.json:2: server.address: expected an IPv4 address, an IPv6 address "
                 "in brackets, or unix:/path, found \"localhost\"\nSuch as \"0.0.0.0\", \"[::]\" "
                 "or \"unix:/run/sim-exchange.sock\"; names are not resolved." },
    { .name = "a listener without its port",
      .testing = "{\"server\": {\n\"listen\": [\"127.0.0.1\"]}}",
      .message = "config/testing.json:2: server.listen[0]: expected an address with its port, or "
                 "unix:/path, found \"127.0.0.1\"\nSuch as \"127.0.0.1:8080\", \"[::1]:8080\" or "
                 "\"unix:/run/sim-exchange.sock\"." },
    { .name = "the first address once more",
      .testing = "{\"server\": {\"address\": \"[::1]\", \"port\": 80, \"listen\": [\n"
                 "\"127.0.0.1:80\",\n\"[0:0::1]:80\"]}}",
      .message = "config/testing.json:3: server.listen[1]: expected another address, found "
                 "[::1]:80 as in server.address" },
    { .name = "two sockets that are one",
      .testing = "{\"server\": {\"listen\": [\n\"unix:/a\",\n\"unix:/a\"]}}",
      .message = "config/testing.json:3: server.listen[1]: expected another address, found "
                 "unix:/a as in server.listen[0]" },
    { .name = "a network with too many bits",
      .testing = "{\"server\": {\"trusted_proxies\": [\"::1\",\n\"10.0.0.0/33\"]}}",
      .message = "config/testing.json:2: server.trusted_proxies[1]: expected an address, a network "
                 "or \"unix\", found \"10.0.0.0/33\"\n"
                 "Such as \"10.0.0.0/8\" or \"::1\"; a prefix has at most 32 bits, with IPv6 "
                 "128." },
    { .name = "a CORS origin with a path",
      .testing = "{\"http\": {\"cors\": {\"origins\": [\n\"https://a.example/\"]}}}",
      .message = "config/testing.json:2: http.cors.origins[0]: expected scheme://host[:port] or "
                 "\"*\", found \"https://a.example/\"\nAs a browser sends it, in lower case, "
                 "without a path: \"https://app.example.com\"." },
    { .name = "cookies for any origin",
      .testing = "{\"http\": {\"cors\": {\"origins\": [\"*\"],\n\"credentials\": true}}}",
      .message = "config/testing.json:2: http.cors.credentials: expected false beside the origin "
                 "\"*\", found true\nList the origins that may send cookies." },
    { .name = "a header with a colon",
      .testing = "{\"http\": {\"cors\": {\"headers\": [\n\"X-A:\"]}}}",
      .message = "config/testing.json:2: http.cors.headers[0]: expected a method or the name of a "
                 "header, found \"X-A:\"\nOne per item, without spaces and colons." },
    { .name = "another kind of database, without its password",
      .testing = "{\"database\": {\n\"url\": \"mysql://me:hush@host/db\"}}",
      .message = "config/testing.json:2: database.url: expected a connection URL or key=value "
                 "text, found \"mysql://me:***@host/db\"\nSuch as "
                 "\"postgresql://user@host/name\" or \"host=/run/postgresql dbname=name\"." },
    { .name = "a socket path that is too long, in a URL",
      .testing = "{\"database\": {\n\"direct_url\": \"postgresql:///db?host=/" LONG_NAME
                 "%2F" LONG_NAME "\"}}",
      .message = "config/testing.json:2: database.direct_url: expected a socket path of at most "
                 "107 bytes, found 144: /" LONG_NAME "/" LONG_NAME "/.s.PGSQL.5432\n"
                 "Mount the folder of the sockets at a shorter path." },
    { .name = "a variable that is not set",
      .testing = "{\"log\": {\n\"trace_project\": \"${THE_PROJECT}\"}}",
      .message = "config/testing.json:2: log.trace_project: the environment variable THE_PROJECT "
                 "is not set\nSet it, or give a fallback: ${THE_PROJECT:-text}." },
    { .name = "a variable that is not set, deep in the options",
      .testing = "{\"plugins\": {\"a\": {\"options\": {\"x\": [{},\n{\"y z\": \"-${NO}-\"}]}}}}",
      .message = "config/testing.json:2: plugins.a.options.x[1].\"y z\": the environment variable "
                 "NO is not set\nSet it, or give a fallback: ${NO:-text}." },
    { .name = "a variable without its closing brace",
      .testing = "{\"app_secret\":\n\"${KEY\"}",
      .message = "config/testing.json:1: app_secret: expected ${NAME} or ${NAME:-fallback}, found "
                 "\"${KEY\"\nWrite $${ for a literal ${; a fallback holds no other variable." },
    { .name = "a variable in a fallback",
      .testing = "{\"app_secret\": \"${A:-${B}}\"}",
      .environ_ = VARIABLES("A=x", "B=y"),
      .message = "config/testing.json:1: app_secret: expected ${NAME} or ${NAME:-fallback}, found "
                 "\"${A:-${B}}\"\nWrite $${ for a literal ${; a fallback holds no other "
                 "variable." },
    { .name = "a variable that spells no number",
      .testing = "{\"server\": {\n\"workers\": \"${N}\"}}",
      .environ_ = VARIABLES("N=4x"),
      .message = "config/testing.json:2: server.workers: expected an integer, found \"4x\" from "
                 "\"${N}\"\nSet it between 0 and 1024." },
    { .name = "a variable that spells no boolean",
      .testing = "{\"http\": {\n\"gzip\": \"${G}\"}}",
      .environ_ = VARIABLES("G=on"),
      .message = "config/testing.json:2: http.gzip: expected true or false, found \"on\" from "
                 "\"${G}\"" },
    { .name = "a variable that is not UTF-8",
      .testing = "{\n\"app_secret\": \"${S}\"}",
      .environ_ = VARIABLES("S=\xff"),
      .message = "config/testing.json:2: app_secret: expected UTF-8 in the environment variable S, "
                 "found other bytes" },
    { .name = "a port that is a word",
      .environ_ = VARIABLES("PORT=http"),
      .message = "environment PORT: server.port: expected an integer, found \"http\"\n"
                 "Set it between 1 and 65535." },
    { .name = "a port that is too big",
      .environ_ = VARIABLES("PORT=65536"),
      .message = "environment PORT: server.port: expected at most 65535, found 65536\n"
                 "Set it between 1 and 65535." },
    { .name = "old names without the user",
      .environ_ = VARIABLES("SQL_PROXY_PATH=/c", "INSTANCE_NAME1=p:r:i", "MFDB_NAME=db"),
      .message = "environment MFDB_USER: database.url: expected it beside SQL_PROXY_PATH, found it "
                 "not set\nSet it, or DATABASE_URL instead of all of them." },
    { .name = "old names that make a socket path too long",
      .environ_ = VARIABLES("SQL_PROXY_PATH=/cloudsql", "INSTANCE_NAME1=" LONG_NAME LONG_NAME,
                            "MFDB_NAME=db", "MFDB_USER=me", "MFDB_PASSWORD=hush"),
      .message = "environment SQL_PROXY_PATH: database.url: expected a socket path of at most 107 "
                 "bytes, found 152: /cloudsql/" LONG_NAME LONG_NAME "/.s.PGSQL.5432\n"
                 "Mount the folder of the sockets at a shorter path." },
};

static int load_one(const struct broken *c, struct sx_report *rep, struct sx_config **ret_config)
{
    return folder_load(c->base, c->testing != NULL ? c->testing : "{}", c->environ_, rep,
                       ret_config);
}

static void each_broken_configuration_is_told_with_file_and_line(void **state)
{
    size_t n_cases = sizeof cases / sizeof cases[0];

    (void)state;
    assert_true(n_cases >= 25);
    for (size_t i = 0; i < n_cases; i++) {
        struct sx_report rep;
        struct sx_config *cfg = (struct sx_config *)state;
        int rc;

        sx_report_init(&rep);
        rc = load_one(&cases[i], &rep, &cfg);

        if (rep.n_faults != 1 || strcmp(rep.faults[0], cases[i].message) != 0)
            print_error("in the case of %s\n", cases[i].name);
        assert_int_equal(rc, SX_ERR_INVALID);
        assert_null(cfg);
        assert_true(rep.n_faults >= 1);
        assert_string_equal(rep.faults[0], cases[i].message);
        assert_int_equal(rep.n_faults, 1);
        sx_report_finish(&rep);
    }
}

static void faults_of_all_sources_are_told_at_once_in_the_order_of_files_and_lines(void **state)
{
    static const char base[] = "{\n"
                               "\"plugins\": {\n"
                               "  \"Bad\": {}},\n"
                               "\"log\": {\"format\": \"xml\"}\n"
                               "}";
    static const char testing[] = "{\n"
                                  "\"plugins\": {\"a\": {\"enabled\": 1}},\n"
                                  "\"server\": {\"port\": 99999,\n"
                                  "  \"port\": 70000,\n"
                                  "  \"workers\": \"x\",\n"
                                  "  \"listen\": [\"nowhere\",\n"
                                  "             \"unix:/a\",\n"
                                  "             \"unix:/a\"]},\n"
                                  "\"app_secret\": \"${NONE}${NEITHER}\",\n"
                                  "\"http\": {\"gizp\": true}}";
    static const char *const begins[] = {
        "config/base.json:3: plugins.Bad: expected the name of a plugin",
        "config/base.json:4: log.format: expected one of \"auto\", \"json\", \"text\"",
        "config/testing.json:2: plugins.a.enabled: expected a boolean, found 1",
        "config/testing.json:4: server.port: expected each key once",
        "config/testing.json:4: server.port: expected at most 65535, found 70000",
        "config/testing.json:5: server.workers: expected an integer, found \"x\"",
        "config/testing.json:6: server.listen[0]: expected an address with its port",
        "config/testing.json:9: app_secret: the environment variable NONE is not set",
        "config/testing.json:9: app_secret: the environment variable NEITHER is not set",
        "config/testing.json:10: http.gizp: unknown key\nDid you mean \"gzip\"?",
        "environment DATABASE_URL: database.url: expected a connection URL",
    };
    struct sx_report rep;
    struct sx_config *cfg = NULL;

    (void)state;
    sx_report_init(&rep);
    assert_int_equal(folder_load(base, testing, VARIABLES("DATABASE_URL=x"), &rep, &cfg),
                     SX_ERR_INVALID);

    assert_null(cfg);
    for (size_t i = 0; i < rep.n_faults && i < sizeof begins / sizeof begins[0]; i++) {
        if (strncmp(rep.faults[i], begins[i], strlen(begins[i])) != 0)
            assert_string_equal(rep.faults[i], begins[i]);
    }
    assert_int_equal(rep.n_faults, sizeof begins / sizeof begins[0]);
    sx_report_finish(&rep);
}

static void ten_faults_of_one_file_are_told_at_once(void **state)
{
    static const char testing[] = "{\"http\": {\n"
                                  "\"header_ms\": 0,\n\"body_ms\": 0,\n\"idle_ms\": 0,\n"
                                  "\"write_ms\": 0,\n\"request_ms\": 0,\n\"gzip\": 0,\n"
                                  "\"pipelined\": 0,\n\"connections\": 0,\n"
                                  "\"header_count\": 0,\n\"zero\": 0}}";
    static const char *const paths[] = { "header_ms",    "body_ms", "idle_ms",   "write_ms",
                                         "request_ms",   "gzip",    "pipelined", "connections",
                                         "header_count", "zero" };
    struct sx_report rep;
    struct sx_config *cfg = NULL;
    char begin[96];

    (void)state;
    sx_report_init(&rep);
    assert_int_equal(folder_load(NULL, testing, NULL, &rep, &cfg), SX_ERR_INVALID);

    assert_int_equal(rep.n_faults, 10);
    for (size_t i = 0; i < 10; i++) {
        (void)snprintf(begin, sizeof begin, "config/testing.json:%zu: http.%s: ", i + 2, paths[i]);
        assert_memory_equal(rep.faults[i], begin, strlen(begin));
    }
    sx_report_finish(&rep);
}

static void a_syntax_fault_in_one_file_does_not_hide_the_other(void **state)
{
    struct sx_report rep;
    struct sx_config *cfg = NULL;

    (void)state;
    sx_report_init(&rep);
    assert_int_equal(folder_load("{\n{", "{\"server\": {\"port\": 0}}", NULL, &rep, &cfg),
                     SX_ERR_INVALID);

    assert_int_equal(rep.n_faults, 2);
    assert_string_equal(rep.faults[0], "config/base.json:2: expected JSON, found a fault in column "
                                       "1: string or '}' expected near '{'");
    assert_string_equal(rep.faults[1],
                        "config/testing.json:1: server.port: expected at least 1, found 0\n"
                        "Set it between 1 and 65535.");
    sx_report_finish(&rep);
}

static void assert_fault_of(const struct sx_config_source *src, const char *const *messages)
{
    struct sx_report rep;
    struct sx_config *cfg = NULL;
    size_t i = 0;

    sx_report_init(&rep);
    assert_int_equal(sx_config_load(src, &rep, &cfg), SX_ERR_INVALID);
    assert_null(cfg);
    for (; messages[i] != NULL && i < rep.n_faults; i++)
        assert_string_equal(rep.faults[i], messages[i]);
    assert_null(messages[i]);
    assert_int_equal(rep.n_faults, i);
    sx_report_finish(&rep);
}

static void an_unknown_environment_is_told_with_those_that_exist(void **state)
{
    static const struct {
        const char *env;
        const char *message;
    } names[] = {
        { "staging", "config/staging.json: unknown environment \"staging\"\n"
                     "There are: development, production, testing." },
        { "base", "config/base.json: unknown environment \"base\"\n"
                  "There are: development, production, testing." },
        { "\xff", "command line: expected the name of an environment, found no UTF-8" },
        { "../config/testing", "config/../config/testing.json: unknown environment "
                               "\"../config/testing\"\n"
                               "There are: development, production, testing." },
    };

    (void)state;
    folder_write("base.json", "{}");
    folder_write("testing.json", "{}");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct sx_config_source src = { .dir = "config/",
                                        .env = names[i].env,
                                        .environ_ = folder_no_variables };

        assert_fault_of(&src, (const char *const[]){ names[i].message, NULL });
    }
}

static void a_missing_folder_is_told(void **state)
{
    struct sx_config_source src = { .dir = "nowhere", .environ_ = folder_no_variables };

    (void)state;
    assert_fault_of(
        &src,
        (const char *const[]){
            "nowhere/base.json: cannot be read: No such file or directory\n"
            "The folder of the configuration holds base.json and a file for each environment.",
            "nowhere/development.json: unknown environment \"development\"\n"
            "There are no environments in nowhere.",
            NULL });
}

static void the_value_of_a_secret_is_in_no_message(void **state)
{
    static const char testing[] = "{\"app_secret\": 424242, \"database\": {\"direct_url\": "
                                  "\"http://a:hush@b\", \"url\": \"http://h?password=hush\"}}";
    struct sx_report rep;
    struct sx_config *cfg = NULL;

    (void)state;
    sx_report_init(&rep);
    assert_int_equal(folder_load(NULL, testing, NULL, &rep, &cfg), SX_ERR_INVALID);

    assert_int_equal(rep.n_faults, 3);
    for (size_t i = 0; i < rep.n_faults; i++) {
        assert_null(strstr(rep.faults[i], "hush"));
        assert_null(strstr(rep.faults[i], "424242"));
    }
    sx_report_finish(&rep);
}

static void a_deep_or_truncated_file_is_a_fault_and_not_a_crash(void **state)
{
    static char deep[20001];
    static const char whole[] = "{\"plugins\": {\"a\": {\"options\": {\"x\": [1, \"${B}\"]}}}}";
    struct sx_report rep;
    struct sx_config *cfg = NULL;

    (void)state;
    memset(deep, '[', 20000);
    sx_report_init(&rep);
    assert_int_equal(folder_load(NULL, deep, NULL, &rep, &cfg), SX_ERR_INVALID);
    assert_int_equal(rep.n_faults, 1);
    sx_report_finish(&rep);

    for (size_t n = 0; n < sizeof whole - 1; n++) {
        char cut[sizeof whole];

        memcpy(cut, whole, n);
        cut[n] = '\0';
        sx_report_init(&rep);
        assert_int_equal(folder_load(NULL, cut, NULL, &rep, &cfg), SX_ERR_INVALID);
        assert_int_equal(rep.n_faults, 1);
        sx_report_finish(&rep);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_broken_configuration_is_told_with_file_and_line),
        cmocka_unit_test(ten_faults_of_one_file_are_told_at_once),
        cmocka_unit_test(faults_of_all_sources_are_told_at_once_in_the_order_of_files_and_lines),
        cmocka_unit_test(a_syntax_fault_in_one_file_does_not_hide_the_other),
        cmocka_unit_test(an_unknown_environment_is_told_with_those_that_exist),
        cmocka_unit_test(a_missing_folder_is_told),
        cmocka_unit_test(the_value_of_a_secret_is_in_no_message),
        cmocka_unit_test(a_deep_or_truncated_file_is_a_fault_and_not_a_crash),
    };

    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
