"""What a kernel's backlog leaves out, and what it never does."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyter_client.session import Session

from lepton_jlab.kernels.backlog import Backlog
from lepton_jlab.kernels.wire import Parts

SESSION = Session(key=b"secret")
CELL = SESSION.msg_header("execute_request")


def message(kind: str, content: dict[str, Any], topic: bytes) -> Parts:
    return SESSION.serialize(SESSION.msg(kind, content, parent=CELL), topic)


def text(words: str) -> Parts:
    return message("stream", {"name": "stdout", "text": words}, b"stream.stdout")


def idle() -> Parts:
    return message("status", {"execution_state": "idle"}, b"kernel.1.status")


def taken(backlog: Backlog) -> list[dict[str, Any]]:
    async def take() -> list[dict[str, Any]]:
        found = []
        while not backlog.empty:
            _, parts = SESSION.feed_identities(await backlog.take())
            found.append(SESSION.deserialize(parts))
        return found

    return asyncio.run(take())


def test_what_fits_comes_out_as_it_went_in():
    backlog = Backlog(SESSION)
    for parts in (text("one"), idle(), text("two")):
        backlog.add(parts)
    backlog.forget()  # too little waits for that to leave a gap
    found = taken(backlog)
    assert [m["content"].get("text") for m in found] == ["one", None, "two"]


def test_text_without_room_is_left_out_and_counted_and_results_are_not():
    backlog = Backlog(SESSION, room=1_000_000)
    for parts in (text("first"), *(text("x" * 600_000) for _ in range(4)), idle()):
        backlog.add(parts)
    found = taken(backlog)
    assert [m["msg_type"] for m in found] == ["stream", "stream", "stream", "status"]
    notice = found[2]
    assert "[1.8 MB of output were left out here" in notice["content"]["text"]
    assert notice["parent_header"]["msg_id"] == CELL["msg_id"]
    backlog.add(text("room again"))
    assert taken(backlog)[0]["content"]["text"] == "room again"


def test_an_interrupt_forgets_text_that_waits():
    backlog = Backlog(SESSION)
    for parts in (text("x" * 2_000_000), idle(), text("y" * 500_000)):
        backlog.add(parts)
    backlog.forget()
    backlog.add(text("stopped at step 7"))
    found = taken(backlog)
    assert [m["msg_type"] for m in found] == ["status", "stream", "stream"]
    assert "[2.5 MB of output" in found[1]["content"]["text"]
    assert found[2]["content"]["text"] == "stopped at step 7"
