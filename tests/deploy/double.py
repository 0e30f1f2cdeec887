"""A double of gcloud, docker and git: it keeps what exists in the cloud, answers as the real ones
would, and writes down every call.  Scripts reach it by client.sh.

How it behaves is in `state`, which a test may change between runs:

    deny         a call that begins with this text is answered PERMISSION_DENIED
    kill_after   the caller is killed when so many changes were made: a run that is broken off
    urls         the address of a tag's revision, "" for any other
    service_url  REVISION: the service's address while that revision has the traffic

gcloud's commands and flags are those of flags.json, out of the vendor's own table: what is not
in it is refused with 2, as gcloud does."""
import hashlib
import json
import pathlib
import socketserver
import threading

import cloud
import printer

FLAGS = json.loads((pathlib.Path(__file__).resolve().parent / "flags.json").read_text())
READING = {"list", "describe", "get-iam-policy", "access", "print-identity-token"}
GIVEN = ("--env-vars-file", "--flags-file", "--source")  # files of the caller


class Double:
    def __init__(self, state):
        self.state = state
        self.calls = []
        self.files = []  # what the files said that calls were given
        self.lock = threading.Lock()
        double = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                double.serve(self.rfile, self.wfile)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def serve(self, rfile, wfile):
        def text():
            found = bytearray()
            while (byte := rfile.read(1)) not in (b"\0", b""):
                found += byte
            return found.decode()

        n, stdin, header = int(text()), text(), text()
        name, *words = [text() for _ in range(n)]
        with self.lock:
            status, out, err, killed = self.answer(name, words, stdin, header)
        lines = [f"{status} {'yes' if killed else 'no'}", *("o" + line for line in out.splitlines()),
                 *("e" + line for line in err.splitlines())]
        wfile.write(("\n".join(lines) + "\n").encode())

    def answer(self, name, words, stdin, header):
        """Status, standard output, standard error, whether the caller is killed after it."""
        self.calls.append([name, *words])
        try:
            if name == "gcloud":
                out, is_change = self.gcloud(words, stdin)
            elif name == "docker":
                out, is_change = self.docker(words)
            else:
                out, is_change = self.git(words, header), False
        except cloud.Refusal as refusal:
            return refusal.status, "", str(refusal), False
        except Exception as fault:  # pylint: disable=broad-except
            return 70, "", f"the double is broken: {fault!r}", False
        killed = is_change and self.state.get("kill_after") == 1
        if is_change and self.state.get("kill_after"):
            self.state["kill_after"] -= 1
        return 0, out, "", killed

    # -- gcloud

    def gcloud(self, words, stdin):
        command, names, flags = parsed(words)
        if self.state.get("deny") and command.startswith(self.state["deny"]):
            raise cloud.Refusal(command, "PERMISSION_DENIED: the caller does not have permission")
        if flags.get("--project") not in self.state["projects"]:
            raise cloud.Refusal(command, f"PERMISSION_DENIED: project {flags.get('--project')}")
        for name in GIVEN:
            if name in flags:
                self.files.append(pathlib.Path(flags[name]).read_text(encoding="utf-8"))
        answer = cloud.Cloud(self.state, flags["--project"]).run(command, names, flags, stdin)
        if isinstance(answer, list):
            answer = printer.printed(answer, flags.get("--flatten", ""), flags.get("--format", ""))
        return answer, command.rsplit(" ", maxsplit=1)[-1] not in READING

    # -- docker

    def docker(self, words):
        state = self.state
        if words[0] == "pull":
            if words[1] not in state["images"]:
                raise cloud.Refusal("docker", f"manifest for {words[1]} not found")
            return "", False
        if words[0] == "build":
            if words[words.index("--target") + 1] == state.get("failing_stage"):
                raise cloud.Refusal("docker", "failed to solve")
            state["built"].append(words[words.index("--tag") + 1])
            return "", True
        if words[0] == "tag":
            if words[1] not in state["built"]:
                raise cloud.Refusal("docker", f"No such image: {words[1]}")
            state["built"].append(words[2])
            return "", True
        if words[0] == "push":
            if words[1] not in state["built"]:
                raise cloud.Refusal("docker", f"an image does not exist locally: {words[1]}")
            state["images"].append(words[1])
            return "", True
        if words[0] == "inspect":
            name, _, tag = words[-1].rpartition(":")
            digest = hashlib.sha256(tag.encode()).hexdigest()
            others = "".join(f"elsewhere.example/{i}@sha256:{digest}\n"
                             for i in range(state.get("other_digests", 1)))
            return f"{others}{name}@sha256:{digest}\n{others}\n", False
        raise cloud.Refusal("docker", f"'{words[0]}' is not a docker command")

    # -- git

    def git(self, words, header):
        if words[:2] != ["ls-remote", "--heads"]:
            raise cloud.Refusal("git", f"'{words[0]}' is not a git command")
        if self.state.get("git_fails"):
            raise cloud.Refusal("git", "fatal: unable to access: Could not resolve host", 128)
        self.state["git_headers"].append(header)
        heads = [f"{commit}\trefs/heads/{branch}\n" for branch, commit in self.state["heads"].items()
                 if len(words) < 4 or f"/refs/heads/{branch}".endswith("/" + words[3])]
        heads.sort(key=lambda line: line.split("\t")[1])
        return "".join(heads)


def parsed(words):
    """The command, its names, its flags ({"--region": "r"}); what gcloud would not take ends."""
    plain = [word for word in words if not word.startswith("--")]
    for n in range(len(plain), 0, -1):
        command = " ".join(plain[:n])
        if command in FLAGS["commands"]:
            break
    else:
        raise cloud.Refusal("gcloud", f"Invalid choice: {' '.join(plain)!r}.", 2)
    known = {*FLAGS["global"], *FLAGS["commands"][command]}
    flags = {}
    for word in words:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            if name not in known and f"--{name[5:]}" not in known:
                raise cloud.Refusal(command, f"unrecognized arguments: {word}", 2)
            if name in flags:
                raise cloud.Refusal(command, f"{name} is given twice", 2)
            flags[name] = value
    return command, plain[n:], flags
