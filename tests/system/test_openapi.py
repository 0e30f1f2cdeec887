"""The OpenAPI document: valid, complete, made of what the plugins declare."""
import json
import re

import pytest

PREFIX = {"declared": {"mount": {"prefix": "/d"}}}
ALL = {"hello": {}, "site": {}, "probe": {}, "techempower": {}, "faults": {"mount": {"prefix": "/f"}},
       **PREFIX}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
PLACES = {"path", "query", "header", "cookie"}
TYPES = {"null", "boolean", "object", "array", "number", "string", "integer"}


@pytest.fixture
def document(program, config_dir):
    """document(plugins): what `routes --openapi` prints, parsed."""
    def read(plugins):
        done = program("routes", "--openapi", "--config", config_dir(plugins=plugins))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return read


# --- What the specification (OpenAPI 3.1.0) asks for

def pointed(doc, reference):
    assert reference.startswith("#/"), reference
    for part in reference[2:].split("/"):
        doc = doc[part]
    return doc


def check_keys(thing, required, optional, where):
    keys = {k for k in thing if not k.startswith("x-")}
    assert set(required) <= keys <= set(required) | set(optional), (where, sorted(keys))


def check_schema(doc, schema, where):
    if isinstance(schema, bool):
        return
    assert isinstance(schema, dict), where
    if "$ref" in schema and "$id" not in schema:
        check_schema(doc, pointed(doc, schema["$ref"]), where)
    if "type" in schema:
        assert schema["type"] in TYPES, where
    for name, inner in schema.get("properties", {}).items():
        check_schema(doc, inner, (where, name))
    assert set(schema.get("required", ())) <= set(schema.get("properties", {})) | set(
        schema.get("required", ()))


def check_content(doc, content, where):
    assert content, where
    for kind, media in content.items():
        assert re.fullmatch(r"[\w.+*-]+/[\w.+*-]+", kind), (where, kind)
        check_keys(media, [], ["schema", "example", "examples", "encoding"], where)
        check_schema(doc, media["schema"], where)


def check_response(doc, response, where):
    if "$ref" in response:
        response = pointed(doc, response["$ref"])
    check_keys(response, ["description"], ["headers", "content", "links"], where)
    assert response["description"], where
    if "content" in response:
        check_content(doc, response["content"], where)


def check_operation(doc, path, operation, where):
    check_keys(operation, ["responses", "operationId", "tags"],
               ["summary", "description", "parameters", "requestBody", "servers"], where)
    seen = set()
    for p in operation.get("parameters", []):
        check_keys(p, ["name", "in", "schema"], ["required", "description"], where)
        assert p["in"] in PLACES and (p["in"], p["name"]) not in seen, where
        seen.add((p["in"], p["name"]))
        assert p["in"] != "path" or p["required"] is True, where
        check_schema(doc, p["schema"], where)
    names = re.findall(r"\{([^{}/]+)\}", path)
    assert len(set(names)) == len(names), where
    assert {n for place, n in seen if place == "path"} == set(names), where
    if "requestBody" in operation:
        check_keys(operation["requestBody"], ["content"], ["required", "description"], where)
        check_content(doc, operation["requestBody"]["content"], where)
    assert operation["responses"], where
    for status, response in operation["responses"].items():
        assert re.fullmatch(r"[1-5](\d\d|XX)|default", status), (where, status)
        check_response(doc, response, where)


def operations(doc):
    for path, item in doc["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def websockets(doc):
    """No operations of OpenAPI, but told as they are."""
    for path, item in doc.get("x-websockets", {}).items():
        assert list(item) == ["websocket"], path
        yield path, "websocket", item["websocket"]


def check_document(doc):
    check_keys(doc, ["openapi", "info", "paths"], ["servers", "components", "tags"], "document")
    assert re.fullmatch(r"3\.1\.\d+", doc["openapi"])
    check_keys(doc["info"], ["title", "version"], ["description", "summary"], "info")
    assert all(s["url"] for s in doc["servers"])
    shapes = [re.sub(r"\{[^}]*\}", "{}", path) for path, item in doc["paths"].items()
              if not any(p.get("x-rest") for o in item.values() for p in o.get("parameters", []))]
    assert len(set(shapes)) == len(shapes), "two paths that differ in names only"
    for path, method, operation in operations(doc):
        assert path.startswith("/") and (method in METHODS or method.startswith("x-")), path
        check_operation(doc, path, operation, (method, path))
    for path, method, operation in websockets(doc):
        assert path.startswith("/") and "101" in operation["responses"], path
        check_operation(doc, path, operation, (method, path))
    told = [operation for _, _, operation in [*operations(doc), *websockets(doc)]]
    ids = [operation["operationId"] for operation in told]
    assert len(set(ids)) == len(ids)
    tags = [tag["name"] for tag in doc["tags"]]
    assert len(set(tags)) == len(tags)
    assert {t for operation in told for t in operation["tags"]} == set(tags)


# --- Tests

def test_the_document_of_all_plugins_is_valid(document):
    check_document(document(ALL))


def test_the_document_of_no_plugin_is_valid(document):
    doc = document({})

    check_document(doc)
    assert doc["paths"] == {}


def test_every_route_is_in_it_and_nothing_else(program, config_dir, document):
    listed = program("routes", "--config", config_dir(plugins=ALL)).stdout.splitlines()
    expected = sorted((line.split()[0], re.sub(r"\{.*?\}", "{}", line.split()[1]))
                      for line in listed)

    doc = document(ALL)
    found = sorted([(m.removeprefix("x-").upper(), re.sub(r"\{.*?\}", "{}", path))
                    for path, m, _ in operations(doc)] +
                   [(m.upper(), path) for path, m, _ in websockets(doc)])

    assert len(expected) > 25
    assert found == expected


def test_parameters_are_as_declared(document):
    operation = document(PREFIX)["paths"]["/d/values/id:{id}"]["get"]

    assert operation["parameters"] == [
        {"name": "id", "in": "path", "required": True, "description": "A number",
         "schema": {"type": "integer", "format": "int64"}},
        {"name": "n", "in": "query", "required": False, "description": "Numbers",
         "schema": {"type": "number", "format": "double"}},
        {"name": "x-flag", "in": "header", "required": False, "schema": {"type": "boolean"}},
        {"name": "c", "in": "cookie", "required": False, "schema": {"type": "string"}},
    ]
    assert (operation["summary"], operation["description"]) == ("Values", "All of them")
    assert operation["tags"] == ["special"]


def test_responses_are_as_declared_with_problems_for_errors(document):
    doc = document(PREFIX)
    responses = doc["paths"]["/d/values/id:{id}"]["get"]["responses"]

    assert responses["200"] == {"description": "What was given", "content": {
        "application/json": {"schema": {"type": "object"}}}}
    assert responses["201"] == {"description": "Created"}
    assert list(responses["404"]["content"]) == ["application/problem+json"]
    problem = pointed(doc, responses["default"]["$ref"])
    assert list(problem["content"]) == ["application/problem+json"]
    assert doc["paths"]["/d/config"]["get"]["responses"].keys() == {"2XX", "default"}


def test_bodies_are_as_declared(document):
    item = document(PREFIX)["paths"]["/d/values"]
    form = item["post"]["requestBody"]
    schema = item["put"]["requestBody"]["content"]["application/json"]["schema"]

    assert form["required"] is True
    assert form["content"].keys() == {"application/x-www-form-urlencoded", "multipart/form-data"}
    for media in form["content"].values():
        assert media["schema"]["required"] == ["t"]
        assert media["schema"]["properties"]["i"] == {"type": "integer", "format": "int64"}
    assert item["put"]["requestBody"]["required"] is True
    assert schema["$ref"] == "#/$defs/a" and schema["$defs"] == {"a": {"type": "array"}}
    assert schema["$id"].startswith("urn:"), "its own parts are not those of the document"


def test_operation_ids_are_told_apart(document):
    doc = document({**PREFIX, "hello": {}})

    assert doc["paths"]["/d/config"]["get"]["operationId"] == "declared.same"
    assert doc["paths"]["/d/values/id:{id}"]["get"]["operationId"] == "declared.same_2"
    assert doc["paths"]["/hello/{name}"]["get"]["operationId"] == "hello.get_hello_name"


def test_paths_that_differ_in_names_only_are_one(document):
    paths = document(PREFIX)["paths"]

    assert paths["/d/things/{a}"].keys() == {"get", "delete", "x-purge"}
    assert [p["name"] for p in paths["/d/things/{a}"]["delete"]["parameters"]] == ["a"]
    (rest,) = paths["/d/things/{a_rest}"]["get"]["parameters"]
    assert (rest["name"], rest["x-rest"]) == ("a_rest", True)


def test_a_mount_point_with_a_host_names_its_server(document):
    doc = document({"hello": {"mount": {"host": "api.example.com"}},
                    "declared": {"mount": {"host": "*.example.org"}}})

    check_document(doc)
    assert doc["paths"]["/hello"]["get"]["servers"] == [{"url": "//api.example.com/"}]
    (wild,) = doc["paths"]["/config"]["get"]["servers"]
    assert wild["url"] == "//{subdomain}.example.org/" and wild["variables"]["subdomain"]["default"]


def test_the_served_document_is_the_printed_one(server, program):
    s = server(plugins=ALL)
    printed = program("routes", "--openapi", "--config", s.config)
    answer = s.get("/openapi.json")

    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    assert answer.text == printed.stdout.rstrip("\n")
    check_document(answer.json)


def test_it_is_sent_once_and_then_confirmed(server):
    s = server(plugins=PREFIX, wants_database=False)
    with s.connect() as conn:
        first = conn.request("GET", "/openapi.json")
        tag = first.header("ETag")
        same = conn.request("GET", "/openapi.json", {"If-None-Match": f'"other", {tag}'})
        other = conn.request("GET", "/openapi.json", {"If-None-Match": '"other"'})
        head = conn.request("HEAD", "/openapi.json")
        packed = conn.request("GET", "/openapi.json", {"Accept-Encoding": "gzip"})

    assert (same.status, same.body, same.header("ETag")) == (304, b"", tag)
    assert (other.status, other.body) == (200, first.body)
    assert (head.status, head.body, head.header("ETag")) == (200, b"", tag)
    assert head.header("Content-Length") == str(len(first.body))
    assert packed.header("Content-Encoding") == "gzip" and packed.header("ETag") == tag
    assert len(packed.body) < len(first.body) / 4


def test_it_takes_get_only(server):
    s = server(plugins=["hello"], wants_database=False)

    refused = s.request("POST", "/openapi.json", body="x")
    assert (refused.status, refused.header("Allow")) == (405, "GET, HEAD, OPTIONS")
    assert s.request("OPTIONS", "/openapi.json").header("Allow") == "GET, HEAD, OPTIONS"


def test_a_plugin_that_owns_the_path_answers_there(server):
    s = server(plugins=["declared"], wants_database=False)

    assert s.get("/openapi.json").text == "the plugin's own\n"


# --- What is declared is enforced

@pytest.mark.parametrize("query, status", [
    ("n=1&n=2.5", 200), ("n=1&n=two", 400), ("n=", 200), ("n=%", 400), ("m=%ff", 200),
])
def test_every_value_of_a_query_parameter_is_checked(server, query, status):
    s = server(plugins=PREFIX, wants_database=False)

    assert s.get(f"/d/values/id:1?{query}").status == status


@pytest.mark.parametrize("path, headers, status", [
    ("1", {}, 200), ("x", {}, 400), ("9223372036854775808", {}, 400),
    ("1", {"X-Flag": "true"}, 200), ("1", {"X-Flag": "maybe"}, 400),
    ("1", {"Cookie": "c=abc"}, 200), ("1", {"Cookie": "c=a; c=\xff\xfe"}, 400),
    ("1", {"Cookie": "; ".join(f"k{i}=v" for i in range(1001))}, 400),
])
def test_declared_parameters_are_checked(server, path, headers, status):
    s = server({"http": {"header_bytes": 65536}}, plugins=PREFIX, wants_database=False)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    answer = s.raw((f"GET /d/values/id:{path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{lines}"
                    "\r\n").encode("latin-1"))

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_too_many_cookies_are_no_matter_where_none_is_declared(server):
    s = server({"http": {"header_bytes": 65536}}, plugins=PREFIX, wants_database=False)
    cookies = "; ".join(f"k{i}=v" for i in range(1001))

    assert s.get("/d/things/1", {"Cookie": cookies}).status == 200
    refused = s.get("/d/values/id:1", {"Cookie": cookies})
    assert (refused.status, refused.json["code"]) == (400, "bad_cookies")


def multipart(value):
    return (b'--b\r\nContent-Disposition: form-data; name="t"\r\n\r\n' + value + b"\r\n--b--\r\n")


@pytest.mark.parametrize("kind, body, status", [
    ("application/x-www-form-urlencoded", b"t=a&t=%C3%BC", 200),
    ("application/x-www-form-urlencoded", b"t=a&t=%ff", 400),
    ("application/x-www-form-urlencoded", b"t=a%00", 400),
    ("application/x-www-form-urlencoded", b"i=5", 400),
    ("application/x-www-form-urlencoded", b"t=&i=five", 400),
    ("multipart/form-data; boundary=b", multipart(b"\xc3\xbc"), 200),
    ("multipart/form-data; boundary=b", multipart(b"\xff"), 400),
    ("multipart/form-data; boundary=b", multipart(b"a\0b"), 400),
    ("multipart/form-data; boundary=b", multipart(b"x" * 20000), 400),
])
def test_form_values_are_checked(server, kind, body, status):
    s = server({"http": {"spool_bytes": 16384}}, plugins=PREFIX, wants_database=False)

    answer = s.request("POST", "/d/values", {"Content-Type": kind}, body)

    assert answer.status == status, answer


# --- Options

def test_options_out_of_variables_are_what_they_spell(server):
    options = {"depth": "${DEPTH}", "ratio": "${RATIO:-2}", "eager": "${EAGER}",
               "key_of_api": "${DEPTH}"}
    s = server(plugins={"declared": {"options": options}}, wants_database=False,
               env={"DEPTH": "12", "EAGER": "false"})

    assert s.get("/config").json == {"depth": 12, "ratio": 2, "eager": False, "key_of_api": "12"}


def test_an_option_that_is_no_number_is_told_and_a_secret_is_not(program, config_dir):
    options = {"depth": "${DEPTH}", "key_of_api": ["${HUSH}"]}
    folder = config_dir(plugins={"declared": {"options": options}})
    done = program("check", "--config", folder, env={"DEPTH": "twelve", "HUSH": "hush4711"})

    assert done.returncode == 2
    assert re.search(r'development\.json:\d+: plugins\.declared\.options\.depth: expected an '
                     r'integer, found "twelve" from "\$\{DEPTH\}"', done.stderr)
    assert "options.key_of_api: expected text (a secret)" in done.stderr
    assert "hush" not in done.stderr + done.stdout


def test_config_masks_what_looks_secret(program, config_dir):
    options = {"api_key": "${HUSH}", "token": "hush4711", "db": "postgresql://me:hush4711@h/d"}
    folder = config_dir(plugins={"declared": {"options": options}})
    done = program("config", "--effective", "--config", folder, env={"HUSH": "hush4711"})

    assert done.returncode == 0
    assert "hush" not in done.stdout
    assert re.search(r'plugins\.declared\.options\.token\s+= "\*\*\*"', done.stdout)


def test_one_version_is_told_everywhere(program, document):
    told = program("version").stdout.split()[-1]

    assert document({})["info"]["version"] == told
