"""A real browser for tests: Debian's Chromium, headless, spoken to by its DevTools protocol over a WebSocket."""

import asyncio
import base64
import itertools
import os
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip


class Page:
    """One tab. `errors` are what the console and uncaught exceptions said, `requests` the addresses that it asked for."""

    def __init__(self, socket):
        self.errors, self.requests = [], []
        self._socket, self._numbers, self._replies = socket, itertools.count(1), {}
        self._hearing = asyncio.create_task(self._hear())

    async def _hear(self):
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._replies.pop(said["id"]).set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                details = said["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description") or details["text"])
            elif said["method"] == "Log.entryAdded" and said["params"]["entry"]["level"] == "error":
                self.errors.append(said["params"]["entry"]["text"])
            elif said["method"] == "Runtime.consoleAPICalled" and said["params"]["type"] == "error":
                self.errors.append(str([one.get("value", one.get("description")) for one in said["params"]["args"]]))
            elif said["method"] == "Network.requestWillBeSent":
                self.requests.append(said["params"]["request"]["url"])

    async def send(self, method, **params):
        number = next(self._numbers)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        said = await asyncio.wait_for(reply, 30)
        assert "error" not in said, f"{method}: {said['error']}"
        return said["result"]

    async def goto(self, url):
        await self.send("Page.navigate", url=url)
        await self.until("location.href !== 'about:blank' && document.readyState === 'complete'", 60)

    async def evaluate(self, script):
        """The value of a JavaScript expression; promises are waited for."""
        said = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def until(self, script, seconds=60.0):
        """Wait until the expression is true; one that cannot be evaluated yet is not."""
        tried = f"(() => {{ try {{ return Boolean({script}) }} catch {{ return false }} }})()"
        end = asyncio.get_running_loop().time() + seconds
        while not await self.evaluate(tried):
            assert asyncio.get_running_loop().time() < end, f"after {seconds} s it is not so that {script}; errors: {self.errors}"
            await asyncio.sleep(0.03)

    async def click(self, selector):
        """Scroll to an element and click at its middle, as a hand would."""
        spot = await self.evaluate(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1)

    async def press(self, key, text=None):
        """Press a key where the focus is; `text` is what it types."""
        typed = {"text": text} if text else {}
        await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **typed)
        await self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def look(self, width=1300, height=900, dark=False):
        """The size of the window, and the colours that the reader prefers."""
        await self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        await self.send(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        )

    async def picture(self, path, whole=True):
        """A PNG of the page."""
        shot = await self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def browser():
    """A page in a browser of its own; the test is skipped where there is no Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here; on Debian: apt install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        running = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"HOME": folder}, start_new_session=True,
        )  # fmt: skip
        try:
            async with asyncio.timeout(60):
                while not (port := Path(folder, "DevToolsActivePort")).exists() or not port.read_text().strip():
                    await asyncio.sleep(0.05)
            async with aiohttp.ClientSession() as session:
                listed = f"http://127.0.0.1:{port.read_text().split()[0]}/json"
                tabs = await (await session.get(listed)).json()
                tab = next(tab for tab in tabs if tab["type"] == "page")
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await page.send(f"{domain}.enable")
                    yield page
                    page._hearing.cancel()
        finally:
            running.terminate()
            running.wait(20)
