"""app - Flask as it is usually written: a route a function, psycopg2 with a connection per thread."""
import os
import random
import threading

import flask

app = flask.Flask(__name__)
local = threading.local()

READ_WORLD = "SELECT id, randomnumber FROM techempower.world WHERE id = %s"


def rows(count):
    import psycopg2  # not needed where there is no database

    if not hasattr(local, "connection"):
        local.connection = psycopg2.connect(os.environ["BENCH_CONNINFO"])
        local.connection.autocommit = True
    with local.connection.cursor() as cursor:
        found = []
        for _ in range(count):
            cursor.execute(READ_WORLD, (random.randint(1, 10000),))
            world = cursor.fetchone()
            found.append({"id": world[0], "randomNumber": world[1]})
        return found


@app.route("/plaintext")
def plaintext():
    return flask.Response("Hello, World!", content_type="text/plain")


@app.route("/json")
def json():
    return flask.jsonify(message="Hello, World!")


@app.route("/db")
def db():
    return flask.jsonify(rows(1)[0])


@app.route("/queries")
def queries():
    return flask.jsonify(rows(int(flask.request.args.get("queries", 1))))
