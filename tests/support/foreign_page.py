"""A page of another site, as a person's browser gets it: served by a server of its own, on another port.

async with foreign_page() as page_url:
    await page.goto(page_url)
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

PAGE = b"<!doctype html><title>Cat pictures</title><p>Nothing to see here."


@contextlib.asynccontextmanager
async def foreign_page(host: str = "127.0.0.1") -> AsyncIterator[str]:
    """The address of the page, which asks for nothing by itself; `host` is how the browser calls this machine."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {len(PAGE)}\r\n"
            writer.write(f"{head}connection: close\r\n\r\n".encode() + PAGE)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


# What the page does, called with the address of the port and a body of JSON lines. Each returns when it is over.
FETCH = """async ([address, body]) => {
  try { await fetch(address, {mode: "no-cors", method: "POST", body}); return "answered"; }
  catch (error) { return String(error); }
}"""
FORM = """([address, body]) => new Promise((resolve) => {
  const frame = document.createElement("iframe");
  frame.name = "target";
  document.body.append(frame);
  const form = document.createElement("form");
  Object.assign(form, {method: "POST", action: address, target: "target", enctype: "text/plain"});
  const field = document.createElement("textarea");
  // A text/plain form writes NAME=VALUE: the lines stand whole after the first one.
  [field.name, field.value] = ["x", "\\n" + body];
  form.append(field);
  document.body.append(form);
  frame.onload = () => resolve("loaded");
  form.submit();
  setTimeout(() => resolve("timeout"), 3000);
})"""
BEACON = """async ([address, body]) => {
  const sent = navigator.sendBeacon(address, body);
  await new Promise((resolve) => setTimeout(resolve, 500));
  return String(sent);
}"""
SOCKET = """([address, body]) => new Promise((resolve) => {
  const socket = new WebSocket(address.replace("http", "ws"));
  socket.onopen = () => { socket.send(body); resolve("open"); };
  socket.onerror = () => resolve("refused");
})"""
WAYS = {"fetch": FETCH, "form": FORM, "beacon": BEACON, "websocket": SOCKET}
