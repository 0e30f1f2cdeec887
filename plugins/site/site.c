/*
 * site - the page at / that lists what this server offers, and the static files of a folder.
 */
#include <sx/write.h>

/* Where a route of this plugin is mounted, for a file below root. */
static const char *static_url(sx_req *r, const char *path)
{
    return sx_route_url(r, "siteStatic", (const char *const[]){ "path", path, NULL });
}

static void write_head(sx_req *r, sx_writer *w)
{
    sx_write_text(w, "<!doctype html>\n"
                     "<html lang=\"en\">\n"
                     "<head>\n"
                     "<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n"
                     "<title>sim-exchange</title>\n"
                     "<link rel=\"icon\" type=\"image/svg+xml\" href=\"");
    sx_write_html(w, static_url(r, "icon.svg"));
    sx_write_text(w, "\">\n<link rel=\"stylesheet\" href=\"");
    sx_write_html(w, static_url(r, "site.css"));
    sx_write_text(w, "\">\n</head>\n<body>\n<header>\n<h1>sim-exchange</h1>\n"
                     "<p>Environment <strong>");
    sx_write_html(w, sx_env(sx_req_plugin(r)));
    sx_write_text(w, "</strong></p>\n</header>\n<main>\n");
}

/* A browser can follow a GET that needs no parameter, on the host it is at. */
static bool is_link(const sx_route_info *route)
{
    return strcmp(route->method, "GET") == 0 && route->n_required == 0 && *route->host == '\0';
}

static void write_path(sx_writer *w, const sx_route_info *route)
{
    if (is_link(route)) {
        sx_write_text(w, "<a href=\"");
        sx_write_html(w, route->path);
        sx_write_text(w, "\">");
    }
    sx_write_html(w, route->host);
    sx_write_html(w, route->path);
    if (is_link(route))
        sx_write_text(w, "</a>");
}

static void write_route(sx_writer *w, const sx_route_info *route)
{
    sx_write_text(w, "<tr><td><code>");
    sx_write_html(w, route->method);
    sx_write_text(w, "</code></td><td><code>");
    write_path(w, route);
    sx_write_text(w, "</code></td><td>");
    sx_write_html(w, route->summary);
    sx_write_text(w, "</td></tr>\n");
}

static void open_section(sx_writer *w, const char *plugin)
{
    sx_write_text(w, "<section>\n<h2>");
    sx_write_html(w, plugin);
    sx_write_text(w, "</h2>\n<table>\n<thead><tr><th scope=\"col\">Method</th>"
                     "<th scope=\"col\">Path</th><th scope=\"col\">What it does</th></tr></thead>\n"
                     "<tbody>\n");
}

static void close_section(sx_writer *w)
{
    sx_write_text(w, "</tbody>\n</table>\n</section>\n");
}

/* The routes come plugin by plugin: a section for each. */
static void write_routes(sx_req *r, sx_writer *w)
{
    const char *plugin = NULL;
    sx_route_info route;

    for (uint32_t i = 0; sx_route_at(sx_req_plugin(r), i, &route) == SX_OK; i++) {
        if (plugin == NULL || strcmp(plugin, route.plugin) != 0) {
            if (plugin != NULL)
                close_section(w);
            open_section(w, route.plugin);
            plugin = route.plugin;
        }
        write_route(w, &route);
    }
    if (plugin != NULL)
        close_section(w);
}

static int show_index(sx_req *r)
{
    sx_writer w = sx_write_begin(r);

    write_head(r, &w);
    write_routes(r, &w);
    sx_write_text(&w, "</main>\n</body>\n</html>\n");
    return sx_write_reply(&w, 200, "text/html; charset=utf-8");
}

static int send_static(sx_req *r)
{
    return sx_reply_file(r, sx_config_text(sx_req_plugin(r), "root"), sx_path_text(r, "path"));
}

static const sx_field static_params[] = {
    { .name = "path", .in = SX_IN_PATH, .type = SX_TEXT, .doc = "Of a file below root" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET",
      .path = "/",
      .handler = show_index,
      .operation_id = "siteIndex",
      .summary = "This page: what the server offers" },
    { .method = "GET",
      .path = "/static/{path...}",
      .handler = send_static,
      .operation_id = "siteStatic",
      .params = static_params,
      .summary = "A static file, with its type, ETag and ranges" },
    { 0 },
};

static const sx_option options[] = {
    { .name = "root",
      .type = SX_TEXT,
      .fallback = "\"plugins/site/static\"",
      .doc = "Folder of the static files, from the folder that holds the configuration's folder" },
    { 0 },
};

SX_PLUGIN("site", "1.0.0", .summary = "The index page and static files", .routes = routes,
          .options = options);
