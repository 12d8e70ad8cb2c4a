"""The wire: what arrives, in which order, and how much is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from distributed.comm import connect, listen

from lepton_jlab.kernels.wire import Wire

Use = Callable[[Any, Any], Awaitable[None]]


def between(use: Use) -> None:
    """Call `use` with the two ends of an open connection."""

    async def run() -> None:
        arrived: asyncio.Queue[Any] = asyncio.Queue()
        closing = asyncio.Event()

        async def accept(comm: Any) -> None:
            await arrived.put(comm)
            await closing.wait()

        async with listen("tcp://127.0.0.1:0", accept) as listener:
            near = await connect(listener.contact_address)
            far = await arrived.get()
            try:
                await asyncio.wait_for(use(near, far), 20)
            finally:
                closing.set()
                near.abort()
                far.abort()

    asyncio.run(run())


def test_messages_of_all_sizes_arrive_whole():
    async def use(near: Any, far: Any) -> None:
        sent = [[b"", b"id", b"x" * size] for size in (0, 1, 262_144, 300_000, 10_000_000)]
        left, right = Wire(near), Wire(far)
        got: list[Any] = []

        async def receive() -> None:
            async for message in right.received():
                got.append(message)
                if len(got) == len(sent):
                    return

        async with asyncio.TaskGroup() as group:
            group.create_task(receive())
            heard = group.create_task(drain(left))  # or nobody would take the acknowledgements
            for parts in sent:
                await left.send("iopub", parts)
            await left.flush()
            heard.cancel()
        assert got == [("iopub", parts) for parts in sent]

    between(use)


async def drain(wire: Wire) -> None:
    async for _ in wire.received():
        pass


def test_output_that_nobody_takes_holds_up_neither_notes_nor_more_than_the_window():
    async def use(near: Any, far: Any) -> None:
        left = Wire(near)
        producer = asyncio.create_task(flood(left))
        first = await far.read()
        assert first["channel"] == "iopub"
        under_way = len(first["part"])
        left.tell(type="signal", number=2)
        while (message := await far.read()).get("type") != "signal":
            under_way += len(message["part"])
        assert under_way <= 1_400_000
        assert not producer.done()  # it waits instead of filling the memory
        producer.cancel()

    between(use)


async def flood(wire: Wire) -> None:
    for _ in range(100):
        await wire.send("iopub", [b"x" * 1_000_000])


def test_short_channels_go_before_output_that_waits():
    async def use(near: Any, far: Any) -> None:
        left = Wire(near)
        await left.send("iopub", [b"x" * 3_000_000])
        await left.send("shell", [b"reply"])
        await left.send("hb", [b"ping"])
        order = [(await far.read())["channel"] for _ in range(3)]
        assert order == ["hb", "shell", "iopub"]

    between(use)


def test_a_new_other_end_begins_with_whole_messages():
    async def use(near: Any, far: Any) -> None:
        left, right = Wire(near), Wire(far)
        await left.send("iopub", [b"a" * 600_000])
        lost = await far.read()  # this piece is lost with an older connection
        assert lost["first"]
        left.tell(type="end")
        await left.send("iopub", [b"whole"])
        received = right.received()
        found = [await anext(received), await anext(received)]
        assert ("iopub", [b"whole"]) in found
        assert ("", {"type": "end"}) in found

    between(use)
