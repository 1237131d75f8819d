"""Three browsers with one small interface: open a page, ask it something in JavaScript, press keys.

Chromium is driven through playwright, Firefox by WebDriver BiDi over a WebSocket, WebKitGTK by
WebDriver over HTTP. Each driver notes what the browser reports as an error.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from playwright.sync_api import Browser, ConsoleMessage, Page
from websockets.sync.client import ClientConnection, connect

from tests.conftest import require

START_TIMEOUT = 60.0  # seconds
STEP_TIMEOUT = 30.0  # seconds for one command
MINI_BROWSERS = "*/webkit2gtk-4.*/MiniBrowser"
ENTER = "\ue007"  # as WebDriver writes the key (W3C WebDriver §17.4.2)


class Driver(Protocol):
    """A browser with one window."""

    name: str

    def open(self, url: str) -> None:
        """Open an address and return when the page is loaded."""

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, which may use ``await``."""

    def type(self, text: str) -> None:
        """Press the keys of ``text`` one after another; ``ENTER`` is one of them."""

    def errors(self) -> list[str]:
        """What the browser has reported as an error since the last time."""


def until(driver: Driver, expression: str, wanted: object = True) -> None:
    """Ask until the answer is ``wanted``."""
    end = time.monotonic() + STEP_TIMEOUT
    while (found := driver.ask(expression)) != wanted:
        assert time.monotonic() < end, f"{driver.name}: {expression} is {found!r}, not {wanted!r}"
        time.sleep(0.05)


def _asking(expression: str) -> str:
    return f"(async () => JSON.stringify({{ value: ({expression}) ?? null }}))()"


def _keys(text: str) -> list[dict[str, Any]]:
    pressed = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
    return [{"type": "key", "id": "keyboard", "actions": pressed}]


# ------------------------------------------------------------------ Chromium


class Chromium:
    """Chromium, through playwright."""

    def __init__(self, page: Page) -> None:
        self.name = "Chromium"
        self._page = page
        self._errors: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self._errors.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._errors.append(message.text)

    def open(self, url: str) -> None:
        self._page.goto("about:blank")  # else another fragment is not another page
        self._page.goto(url)

    def ask(self, expression: str) -> Any:
        return json.loads(self._page.evaluate(_asking(expression)))["value"]

    def type(self, text: str) -> None:
        for key in text:
            if key == ENTER:
                self._page.keyboard.press("Enter")
            else:
                self._page.keyboard.type(key)

    def errors(self) -> list[str]:
        found, self._errors = self._errors, []
        return found


@contextmanager
def chromium(browser: Browser) -> Iterator[Driver]:
    """One window of the Chromium that all tests share."""
    context = browser.new_context(locale="en-GB")
    try:
        yield Chromium(context.new_page())
    finally:
        context.close()


# ------------------------------------------------------------------ Firefox


class Firefox:
    """Firefox, through WebDriver BiDi."""

    def __init__(self, ws: ClientConnection) -> None:
        self._ws = ws
        self._counter = 0
        self._errors: list[str] = []
        session = self._call("session.new", capabilities={})
        self.name = f"Firefox {session['capabilities']['browserVersion']}"
        self._call("session.subscribe", events=["log.entryAdded"])
        self._context = self._call("browsingContext.getTree")["contexts"][0]["context"]

    def _call(self, method: str, **params: Any) -> Any:
        self._counter += 1
        self._ws.send(json.dumps({"id": self._counter, "method": method, "params": params}))
        while True:
            told = json.loads(self._ws.recv(timeout=STEP_TIMEOUT))
            if told.get("method") == "log.entryAdded" and told["params"]["level"] == "error":
                self._errors.append(told["params"]["text"])
            if told.get("id") == self._counter:
                assert told["type"] == "success", told
                return told["result"]

    def open(self, url: str) -> None:
        for address in ("about:blank", url):
            self._call(
                "browsingContext.navigate", context=self._context, url=address, wait="complete"
            )

    def ask(self, expression: str) -> Any:
        told = self._call(
            "script.evaluate",
            expression=_asking(expression),
            target={"context": self._context},
            awaitPromise=True,
        )
        assert told["type"] == "success", told
        return json.loads(told["result"]["value"])["value"]

    def type(self, text: str) -> None:
        self._call("input.performActions", context=self._context, actions=_keys(text))

    def errors(self) -> list[str]:
        self.ask("0")  # what it reports comes before the answer
        found, self._errors = self._errors, []
        return found


@contextmanager
def firefox(folder: Path) -> Iterator[Driver]:
    """A Firefox of its own, with a new profile in ``folder``."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    require(path, "Firefox", "apt install firefox-esr")
    command = [str(path), "--headless", "--no-remote", "--remote-debugging-port", "0"]
    log = folder / "firefox.log"
    with ExitStack() as stack:
        _start(stack, log, [*command, "--profile", str(folder)], HOME=str(folder))
        address = _wait_for(log, r"WebDriver BiDi listening on (ws://\S+)")
        yield Firefox(stack.enter_context(connect(f"{address}/session", max_size=None)))


# ------------------------------------------------------------------ WebKit


# Its driver does not tell of the console: what comes there once the page is loaded is kept in it.
HEAR = """
    window.heard = [];
    const plain = console.error;
    console.error = (...words) => { window.heard.push(words.join(" ")); plain(...words); };
    window.addEventListener("error", ({message}) => window.heard.push(message));
    window.addEventListener("unhandledrejection", ({reason}) => window.heard.push(String(reason)));
"""


class WebKit:
    """WebKitGTK, through WebDriver."""

    def __init__(self, port: int, browser: Path) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._errors: list[str] = []
        options = {"binary": str(browser), "args": ["--automation"]}
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        session = self._call("POST", "/session", {"capabilities": wanted})
        self.name = f"WebKit {session['capabilities'].get('browserVersion', '')}"
        self._base += f"/session/{session['sessionId']}"

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._base}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=STEP_TIMEOUT) as response:
            return json.load(response)["value"]

    def open(self, url: str) -> None:
        self._errors += self.ask("window.heard ?? []")
        for address in ("about:blank", url):
            self._call("POST", "/url", {"url": address})
        self._call("POST", "/execute/sync", {"script": HEAR, "args": []})

    def ask(self, expression: str) -> Any:
        script = f"const done = arguments[0]; {_asking(expression)}.then(done)"
        told = self._call("POST", "/execute/async", {"script": script, "args": []})
        return json.loads(told)["value"]

    def type(self, text: str) -> None:
        self._call("POST", "/actions", {"actions": _keys(text)})

    def errors(self) -> list[str]:
        heard: list[str] = self.ask("window.heard?.splice(0) ?? []")
        found, self._errors = self._errors + heard, []
        return found

    def quit(self) -> None:
        """End the browser."""
        self._call("DELETE", "")


@contextmanager
def webkit(folder: Path) -> Iterator[Driver]:
    """A WebKitGTK of its own, on a display that nobody sees."""
    driver, display = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
    browser = next(Path("/usr/lib").glob(MINI_BROWSERS), None)
    how = "apt install webkit2gtk-driver xvfb"
    require(driver and display and browser, "WebKitGTK", how)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "webkit.log"
    with ExitStack() as stack:
        number = _start_display(stack, str(display), folder / "display.log")
        _start(stack, log, [str(driver), f"--port={port}"], DISPLAY=f":{number}", HOME=str(folder))
        _wait_for_port(port)
        found = WebKit(port, Path(str(browser)))
        stack.callback(found.quit)
        yield found


# ------------------------------------------------------------------ processes


def _start(stack: ExitStack, log: Path, command: list[str], **environment: str) -> None:
    """Start a program that ends with ``stack``; what it says goes to ``log``."""
    with log.open("wb") as file:
        process = _process(command, file, environment)
    stack.callback(_end, process)


def _process(command: list[str], log: IO[bytes], environment: dict[str, str]) -> Any:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=os.environ | environment,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _start_display(stack: ExitStack, xvfb: str, log: Path) -> str:
    """Start an X server that picks its own number; return the number."""
    command = [xvfb, "-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    _start(stack, log, command)
    return _wait_for(log, r"^(\d+)\n")


def _wait_for(log: Path, pattern: str) -> str:
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end:
        if found := re.search(pattern, log.read_text(errors="replace"), re.MULTILINE):
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"no {pattern!r} in:\n{log.read_text(errors='replace')}")


def _wait_for_port(port: int) -> None:
    end = time.monotonic() + START_TIMEOUT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
