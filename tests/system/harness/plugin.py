"""Plugins that a test writes itself: a C text, compiled as a newcomer would."""
import json
import subprocess

from harness.process import CHECKOUT

HEAD = "#include <sx/plugin.h>\n\n"

ANSWER = """static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, "%s");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/%s", .handler = answer },
    { 0 },
};

"""


def compiled(folder, name, source):
    """The shared object of this C text, in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.so"
    subprocess.run(["gcc", "-x", "c", "-", "-shared", "-fPIC", "-fvisibility=hidden", "-O1",
                    f"-I{CHECKOUT}/include", "-o", target, "-ljansson"], input=HEAD + source,
                   text=True, check=True)
    return target


def answering(folder, name, text, *, file_name=None):
    """A plugin whose GET /NAME answers the text."""
    return compiled(folder, file_name or name,
                    ANSWER % (text, name) + f'SX_PLUGIN("{name}", "1.0.0", .routes = routes);\n')


def migrated(folder, name, *steps):
    """A plugin with these migrations, each (number, name, SQL)."""
    table = "".join(f'    {{ {number}, "{title}", {json.dumps(sql)} }},\n'
                    for number, title, sql in steps)
    return compiled(folder, name, ANSWER % (name, name) +
                    f"static const sx_migration steps[] = {{\n{table}    {{ 0 }},\n}};\n\n"
                    f'SX_PLUGIN("{name}", "1.0.0", .needs = SX_CAP_DB, .routes = routes,\n'
                    "          .migrations = steps);\n")
