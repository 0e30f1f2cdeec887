"""An independent double of four services of Google Cloud: the metadata server, Secret Manager, Cloud
Storage, Cloud KMS; on one port, told apart by their paths.

It is strict where they are: a call without a token of its own making gets 401, without the header
of the metadata server 403, a key with other additional data 400.  What is to go wrong is said for a
part of a path:

    google.fault("secrets/db", Status(500), Status(503))    # then it is well
    google.fault("secrets/db", Status(403), forever=True)
"""
import base64
import collections
import http.server
import json
import os
import socket
import ssl
import struct
import threading
import urllib.parse

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = "projects/p/locations/global/keyRings/r/cryptoKeys/k"
WAIT_S = 30

Status = collections.namedtuple("Status", "code")
Redirect = collections.namedtuple("Redirect", "to")
Body = collections.namedtuple("Body", "bytes")  # 200 with these bytes
Drop = collections.namedtuple("Drop", "")
WrongCrc = collections.namedtuple("WrongCrc", "")
NAMES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
         404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def b64(data):
    return base64.b64encode(data).decode()


class Answer(Exception):
    """Raised with what a call is answered."""

    def __init__(self, code, body=b"", headers=()):
        super().__init__(code)
        self.code, self.body, self.headers = code, body, headers


class Google:
    """A context manager; env() is what makes a program ask here."""

    def __init__(self, tls=None):
        self.secrets = {}  # (project, name): [value of version 1, …]
        self.objects = {}  # (bucket, name): {generation: (metadata, bytes)}
        self.master = AESGCM(os.urandom(32))  # of the only key
        self.lock = threading.Condition()
        self.faults = collections.defaultdict(list)
        self.calls = []  # "GET /path?query"
        self.tokens = set()
        self.expires_in = 3600
        self.running = self.most = 0
        self.together = 0  # answer calls for values only when so many are under way
        self.errors = []
        google = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                google.serve(self, b"")

            def do_POST(self):
                google.serve(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that hangs up

        self.server = Server(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
        assert not self.errors, self.errors

    def env(self, metadata=None, **more):
        host = f"127.0.0.1:{self.port}"
        base = f"{self.scheme}://{host}"
        return {"GCE_METADATA_HOST": f"127.0.0.1:{(metadata or self).port}",
                "STORAGE_EMULATOR_HOST": host if self.scheme == "http" else base,
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER": base + "/",
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS": base + "/", **more}

    # -- what there is

    def add(self, name, value, project="p"):
        """A new version of a secret; its number."""
        versions = self.secrets.setdefault((project, name), [])
        versions.append(value if isinstance(value, bytes) else value.encode())
        return len(versions)

    def seal(self, bucket, name, value, additional=None):
        """What berglas would have stored; its generation."""
        key, nonce, wrap = os.urandom(32), os.urandom(12), os.urandom(12)
        wrapped = wrap + self.master.encrypt(wrap, key, (additional or name).encode())
        blob = b64(wrapped) + ":" + b64(nonce + AESGCM(key).encrypt(nonce, value.encode(), None))
        return self.put(bucket, name, blob.encode())

    def put(self, bucket, name, blob, metadata=None):
        generations = self.objects.setdefault((bucket, name), {})
        generation = 1700000000000000 + len(generations)
        generations[generation] = ({"berglas-kms-key": KEY} if metadata is None else metadata, blob)
        return generation

    def fault(self, part, *faults, forever=False):
        with self.lock:
            self.faults[part] = [list(faults), forever]

    def count(self, part):
        with self.lock:
            return sum(part in call for call in self.calls)

    # -- answering

    def serve(self, handler, body):
        with self.lock:
            self.calls.append(f"{handler.command} {handler.path}")
            fault = self.next_fault(handler.path)
        try:
            if isinstance(fault, Drop):
                raise ConnectionError
            self.misbehave(fault)
            self.answer(handler, body, fault)
        except Answer as answer:
            self.send(handler, answer)
        except ConnectionError:  # an RST instead of an end
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          struct.pack("ii", 1, 0))
            handler.close_connection = True
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(repr(error))
            self.send(handler, Answer(599))

    def next_fault(self, path):
        for part, (faults, forever) in self.faults.items():
            if part in path and faults:
                return faults[0] if forever else faults.pop(0)
        return None

    @staticmethod
    def misbehave(fault):
        if isinstance(fault, Status):
            raise Answer(fault.code, json.dumps({"error": {
                "code": fault.code, "status": NAMES.get(fault.code, "UNKNOWN"),
                "message": "the value is hunter2"}}).encode())
        if isinstance(fault, Redirect):
            raise Answer(302, b"", [("Location", fault.to)])
        if isinstance(fault, Body):
            raise Answer(200, fault.bytes)

    @staticmethod
    def send(handler, answer):
        handler.send_response(answer.code)
        for name, value in answer.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def answer(self, handler, body, fault):
        url = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.split("/")
        if url.path.startswith("/computeMetadata/"):
            self.give_token(handler, url.path)
        if handler.headers["Authorization"] not in self.tokens:
            raise Answer(401)
        if url.path.startswith("/storage/v1/b/") and len(parts) == 7:
            self.give_object(parts[4], urllib.parse.unquote(parts[6]), query)
        if url.path == f"/v1/{KEY}:decrypt" and handler.command == "POST":
            self.unwrap(json.loads(body))
        if len(parts) == 8 and parts[4] == "secrets" and parts[7].endswith(":access"):
            self.give_secret(parts[3], parts[5], parts[7][:-len(":access")], fault)
        self.misbehave(Status(404))

    def give_token(self, handler, path):
        assert path.endswith("/instance/service-accounts/default/token"), path
        if handler.headers["Metadata-Flavor"] != "Google":
            raise Answer(403)
        with self.lock:
            token = f"token-{len(self.tokens)}"
            self.tokens.add("Bearer " + token)
        raise Answer(200, json.dumps({"access_token": token, "expires_in": self.expires_in,
                                      "token_type": "Bearer"}).encode())

    def revoke(self):
        """No token that was given counts any more; the next one is another."""
        with self.lock:
            self.tokens = {f"revoked {i}" for i in range(len(self.tokens))}

    def meet(self):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
            self.lock.notify_all()
            self.lock.wait_for(lambda: self.most >= self.together, WAIT_S)

    def give_secret(self, project, name, version, fault):
        self.meet()
        with self.lock:
            self.running -= 1
        versions = self.secrets.get((project, name), [])
        number = len(versions) if version == "latest" else int(version)
        if not 1 <= number <= len(versions):
            self.misbehave(Status(404))
        value = versions[number - 1]
        crc = crc32c(value) ^ isinstance(fault, WrongCrc)
        payload = {"dataCrc32c": str(crc)}
        if value:
            payload["data"] = b64(value)
        raise Answer(200, json.dumps({
            "name": f"projects/1234/secrets/{name}/versions/{number}", "payload": payload}).encode())

    def give_object(self, bucket, name, query):
        generations = self.objects.get((bucket, name), {})
        generation = int(query.get("generation", max(generations, default=0)))
        if generation not in generations:
            self.misbehave(Status(404))
        metadata, blob = generations[generation]
        if query.get("alt") == "media":
            raise Answer(200, blob)
        raise Answer(200, json.dumps({"name": name, "bucket": bucket, "metadata": metadata,
                                      "generation": str(generation)}).encode())

    def unwrap(self, request):
        wrapped = base64.b64decode(request["ciphertext"])
        additional = base64.b64decode(request["additionalAuthenticatedData"])
        try:
            key = self.master.decrypt(wrapped[:12], wrapped[12:], additional)
        except InvalidTag:
            self.misbehave(Status(400))
        raise Answer(200, json.dumps({"plaintext": b64(key),
                                      "plaintextCrc32c": str(crc32c(key))}).encode())
