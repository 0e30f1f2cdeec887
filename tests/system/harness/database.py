"""Databases of the tests, in the cluster that they share."""
import contextlib
import re
import secrets

import psycopg2


def named(url, name):
    """The URL of another database in the same cluster."""
    return re.sub(r"^(postgres(?:ql)?://[^/?]*)/[^?]*", rf"\1/{name}", url)


def name_of(url):
    return re.match(r"^postgres(?:ql)?://[^/?]*/([^?]*)", url).group(1)


@contextlib.contextmanager
def connected(url):
    """A connection without transactions; closed at the end."""
    conn = psycopg2.connect(url)
    conn.autocommit = True
    try:
        yield conn
    finally:
        conn.close()


def query(url, sql, *parameters):
    """All rows of one statement; None of one that returns none."""
    with connected(url) as conn, conn.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else None


def create(cluster, template=None):
    """A new database, as a copy of another one where that is given."""
    url = named(cluster, "sx_" + secrets.token_hex(8))
    copied = f" TEMPLATE {name_of(template)}" if template else ""
    query(cluster, f"CREATE DATABASE {name_of(url)}{copied}")
    return url


def drop(cluster, url):
    query(cluster, f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")


def as_user(url, user):
    """The URL for another login."""
    if "user=" in url:
        return re.sub(r"user=[^&]*", f"user={user}", url)
    return f"{url}{'&' if '?' in url else '?'}user={user}"
