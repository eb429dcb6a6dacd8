"""The studio, in a real browser: what runs is seen growing, two strategies are compared, and nothing a model writes is markup."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from browser import browser
from ponder.serve.seams import Client, Seams
from scripted import Scripted

uvicorn = pytest.importorskip("uvicorn", reason='needs pip install "ponder[serve]"')

HOSTILE = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script> answer 7"
ASKED = "document.querySelectorAll('#left .note, #left .tree, #right .tree').length >= 2"


@asynccontextmanager
async def gateway(seams=Seams(), **settings):
    """A gateway in this event loop, on a port of its own; gives its address."""
    from ponder.serve.app import app
    from ponder.serve.settings import Settings

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app(Settings(**settings), seams), log_level="error"))
    serving = asyncio.create_task(server.serve([listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listening.close()


async def authorised(headers):
    from ponder.serve.errors import Refusal

    if headers.get("authorization") != "Bearer sk-1":
        raise Refusal(401, "this server needs a key", "invalid_api_key")
    return Client("one")


async def click_through(page, address):
    await page.look(1300, 900)
    await page.goto(f"{address}/studio")
    await page.until("document.querySelector('#status').textContent.includes('needs a key')")
    await page.evaluate("document.querySelector('#key').value = 'sk-1'")
    await page.click("#access button")
    await page.until("document.querySelector('#status').textContent.includes('ponder')")
    await page.click("#tab-compare")
    await page.evaluate("document.querySelectorAll('[name=strategy]')[1].value = 'self-consistency(n=5)'")
    await page.click("#ask .primary")
    await page.until(ASKED)
    assert "answer 7" in await page.evaluate("document.querySelector('#left .answer').textContent")
    assert "self-consistency" in await page.evaluate("document.querySelector('#right .facts').textContent")
    await page.evaluate("document.activeElement.blur()")
    await page.press("1", "1")
    await page.until("document.querySelectorAll('#running button').length === 2")
    await page.click("#running li:nth-child(1) button")
    shown = "document.querySelector('#live-detail').dataset.run === document.querySelector('#running button').dataset.run"
    await page.until(f"{shown} && document.querySelector('#live-detail .node')")
    await page.click("#live-detail .node circle")
    await page.until("document.querySelector('#live-detail .note')?.textContent.includes('<img src=x')")
    await page.press("3", "3")
    await page.until("document.querySelectorAll('#kept button').length === 2")
    await page.click("#kept li:nth-child(2) button")
    await page.until("document.querySelector('#history-detail .answer')")
    await page.press("4", "4")
    await page.until("!document.querySelector('#policies').hidden")
    for width, dark in ((400, False), (1300, True)):
        await page.look(width, 800, dark)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1"), "the page is wider than the window"


def test_a_click_through_in_a_real_browser(tmp_path):
    model = Scripted(lambda request: HOSTILE)

    async def main():
        seams = Seams(authorise=authorised)
        async with gateway(seams, models={"scripted": model}, store=tmp_path / "kept") as address, browser() as page:
            await click_through(page, address)
            assert await page.evaluate("document.querySelectorAll('img').length") == 0
            assert await page.evaluate("document.title") == "ponder studio"
            assert all("401" in error for error in page.errors), page.errors
            assert all(url.startswith((address, "data:", "about:")) for url in page.requests), page.requests

    asyncio.run(main())
