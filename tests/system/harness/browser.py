"""A real browser, driven by the DevTools protocol over a pair of pipes: Chromium where it is
installed, without a library of its own.

    with Browser(tmp_path) as browser:
        page = browser.open("http://127.0.0.1:5009/market")
        page.wait("document.title !== ''")
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess

DEADLINE_S = 60
KEYS = {"Tab": 9, "Enter": 13, "Space": 32, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37,
        "ArrowRight": 39}
SEEN = "document.activeElement.outerHTML.slice(0, 300) + '\\n' + document.body.innerText.slice(0, 3000)"
TEXT = {"Enter": "\r", "Space": " "}


def find():
    """The program, or None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.answers, self.pages, self.number = {}, {}, 0
        self.buffer = b""

    def __enter__(self):
        to_it, self.to_it = os.pipe()
        self.from_it, from_it = os.pipe()

        def place():  # the numbers that the program expects; past both first, lest one hits the other
            a, b = os.dup2(to_it, 103), os.dup2(from_it, 104)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
            [find(), "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--no-default-browser-check",
             "--disable-extensions", "--disable-background-networking", "--mute-audio",
             "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
             "--disable-backgrounding-occluded-windows", "--hide-scrollbars",
             f"--user-data-dir={self.home / 'browser'}", "about:blank"],
            preexec_fn=place, close_fds=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(to_it)
        os.close(from_it)
        return self

    def __exit__(self, *_):
        try:
            self.send("Browser.close")
        except (OSError, EOFError):
            pass
        os.close(self.to_it)
        os.close(self.from_it)
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def send(self, method, params=None, session=None):
        """Sends a command and returns its result."""
        self.number += 1
        mine = self.number
        text = {"id": mine, "method": method, "params": params or {}}
        if session:
            text["sessionId"] = session
        data = json.dumps(text).encode() + b"\0"
        while data:
            data = data[os.write(self.to_it, data):]
        while mine not in self.answers:
            self.receive()
        answer = self.answers.pop(mine)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def receive(self):
        while b"\0" not in self.buffer:
            more = os.read(self.from_it, 1 << 16)
            if not more:
                raise EOFError("the browser has ended")
            self.buffer += more
        text, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(text)
        if "id" in message:
            self.answers[message["id"]] = message
        elif message.get("sessionId") in self.pages:
            self.pages[message["sessionId"]].hear(message["method"], message["params"])

    def open(self, url, width=1280, height=800, dark=False, phone=False, alone=False):
        """A page; alone: with cookies of its own."""
        where = {"browserContextId": self.send("Target.createBrowserContext")["browserContextId"]} \
            if alone else {}
        target = self.send("Target.createTarget", {"url": "about:blank", **where})["targetId"]
        session = self.send("Target.attachToTarget",
                            {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        self.pages[session] = page
        page.prepare(width, height, dark, phone)
        page.send("Page.navigate", {"url": url})
        return page


class Page:
    def __init__(self, browser, session):
        self.browser, self.session = browser, session
        self.errors = []  # what the console and the network had to complain about

    def send(self, method, params=None):
        return self.browser.send(method, params, self.session)

    def prepare(self, width, height, dark, phone):
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setFocusEmulationEnabled", {"enabled": True})
        self.send("Emulation.setDeviceMetricsOverride",
                  {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1,
                   "mobile": phone})
        self.send("Emulation.setTouchEmulationEnabled", {"enabled": phone})
        self.send("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"}]})

    def hear(self, method, params):
        if method == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.errors.append(str(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.errors.append(str(params["entry"]))

    def evaluate(self, expression):
        done = self.send("Runtime.evaluate", {"expression": expression, "returnByValue": True,
                                              "awaitPromise": True})
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def wait(self, condition):
        """Until an expression of the page is true; returns it.  Looked at after each of its tasks."""
        value = self.evaluate(f"""new Promise((done) => {{
            const end = Date.now() + {DEADLINE_S * 1000};
            const look = () => {{
                let value = null;
                try {{ value = {condition}; }} catch (error) {{ value = null; }}
                if (value || Date.now() > end) done(value instanceof Node || value); else setTimeout(look, 20);
            }};
            look();
        }})""")
        assert value, f"never came true: {condition}\n{self.errors}\n{self.evaluate(SEEN)}"
        return value

    def press(self, key, shift=False):
        event = {"key": " " if key == "Space" else key, "code": key,
                 "windowsVirtualKeyCode": KEYS[key], "modifiers": 8 if shift else 0}
        if key in TEXT:
            event["text"] = TEXT[key]
        self.send("Input.dispatchKeyEvent", {"type": "keyDown", **event})
        self.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    def write(self, text):
        self.send("Input.insertText", {"text": text})

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def screenshot(self, path, whole=False):
        import base64
        shot = self.send("Page.captureScreenshot", {"captureBeyondViewport": whole})
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))
