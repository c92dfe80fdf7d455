"""A headless Chromium, driven over a pipe by the DevTools protocol: nothing but the browser is needed."""

import itertools
import json
import os
import selectors
import shutil
import subprocess
from contextlib import contextmanager

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_PATIENCE = 120


class Page:
    """One page. events: all that the browser told of it, as (method, parameters)."""

    def __init__(self, ask):
        self._ask, self.events = ask, []

    def __call__(self, method, **parameters):
        """Send one command; its result."""
        return self._ask(method, parameters)

    def evaluate(self, script):
        """The value of an expression of JavaScript, waited for where it is a promise."""
        found = self("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, path, width=1000, scheme="light"):
        """Show a file in a window of this width, and wait until it is there."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self("Page.navigate", url=path.as_uri())
        script = "new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', done))"
        self.evaluate(script)

    def press(self, key, code):
        """A key, down and up."""
        for kind in ("keyDown", "keyUp"):
            self("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def told(self, method):
        """What the browser told by one kind of event."""
        return [parameters for name, parameters in self.events if name == method]


@contextmanager
def browser(folder):
    """A page of a fresh Chromium that can reach no other machine. folder: for its profile."""
    commands, answers = os.pipe(), os.pipe()
    asked = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio"]
    asked += ["--remote-debugging-pipe", "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage"]
    asked += ["--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}", "about:blank"]
    moved = f'exec 3<&{commands[0]} 4>&{answers[1]}; exec "$@"'
    with subprocess.Popen(
        ["bash", "-c", moved, "bash", *asked], pass_fds=(commands[0], answers[1]), stderr=subprocess.DEVNULL
    ) as process:
        os.close(commands[0])
        os.close(answers[1])
        try:
            yield _page(commands[1], answers[0])
        finally:
            os.close(commands[1])
            os.close(answers[0])
            process.terminate()


def _page(commands, answers):
    numbers, buffer, session = itertools.count(1), bytearray(), {}
    selector = selectors.DefaultSelector()
    selector.register(answers, selectors.EVENT_READ)

    def message():
        while b"\0" not in buffer:
            assert selector.select(_PATIENCE), "the browser says nothing"
            data = os.read(answers, 2**20)
            assert data, "the browser is gone"
            buffer.extend(data)
        text, _, rest = bytes(buffer).partition(b"\0")
        buffer[:] = rest
        return json.loads(text)

    def ask(method, parameters):
        number = next(numbers)
        data = json.dumps({"id": number, "method": method, "params": parameters, **session}).encode() + b"\0"
        while data:
            data = data[os.write(commands, data) :]
        while (found := message()).get("id") != number:
            page.events.append((found.get("method"), found.get("params")))
        assert "result" in found, found
        return found["result"]

    page = Page(ask)
    target = ask("Target.createTarget", {"url": "about:blank"})["targetId"]
    session["sessionId"] = ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
    for domain in ("Page", "Runtime", "Network", "Log"):
        ask(f"{domain}.enable", {})
    return page
