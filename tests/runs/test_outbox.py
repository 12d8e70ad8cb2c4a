"""A worker's outbox: order, company, acknowledgement and room."""

from __future__ import annotations

import asyncio

import pytest

from lepton_jlab.runs.outbox import Outbox


def text(words: str, run: str = "r1", stream: str = "stdout") -> dict[str, str]:
    return {"type": "text", "stream": stream, "text": words, "run": run}


def say(outbox: Outbox, words: str, **more: str) -> None:
    outbox.put(text(words, **more), len(words), urgent=False)


def test_text_that_waits_is_joined_and_keeps_its_place():
    async def scene():
        outbox = Outbox()
        for words in ("a", "b", "c"):
            say(outbox, words)
        outbox.put({"type": "display", "run": "r1"})
        say(outbox, "d")
        say(outbox, "e", stream="stderr")
        say(outbox, "f", run="r2")
        return await outbox.take(0, 1.0)

    answer = asyncio.run(scene())
    assert answer == {
        "number": 1,
        "events": [
            text("abc"),
            {"type": "display", "run": "r1"},
            text("d"),
            text("e", stream="stderr"),
            text("f", run="r2"),
        ],
    }


def test_a_batch_is_sent_again_until_it_is_acknowledged():
    async def scene():
        outbox = Outbox()
        outbox.put({"type": "end", "run": "r1"})
        first = await outbox.take(0, 1.0)
        outbox.put({"type": "end", "run": "r2"})
        again = await outbox.take(0, 1.0)  # the answer got lost
        then = await outbox.take(again["number"], 1.0)
        return first, again, then

    first, again, then = asyncio.run(scene())
    assert first == again == {"number": 1, "events": [{"type": "end", "run": "r1"}]}
    assert then == {"number": 2, "events": [{"type": "end", "run": "r2"}]}


def test_a_question_waits_for_the_first_event():
    async def scene():
        outbox = Outbox()
        question = asyncio.create_task(outbox.take(0, 30.0))
        await asyncio.sleep(0)
        assert not question.done()
        outbox.put({"type": "end", "run": "r1"})
        return await question

    assert asyncio.run(scene())["events"] == [{"type": "end", "run": "r1"}]


def test_a_question_without_an_answer_ends_with_the_same_number():
    async def scene():
        outbox = Outbox()
        outbox.put({"type": "end", "run": "r1"})
        number = (await outbox.take(0, 1.0))["number"]
        nothing = await outbox.take(number, 0.01)
        outbox.put({"type": "end", "run": "r2"})
        return number, nothing, await outbox.take(number, 1.0)

    number, nothing, then = asyncio.run(scene())
    assert nothing == {"number": number, "events": []}
    assert then == {"number": number + 1, "events": [{"type": "end", "run": "r2"}]}


def test_a_full_outbox_has_room_again_once_the_host_has_taken_enough():
    async def scene():
        outbox = Outbox()
        words = "x" * 100_000
        while not outbox.full():
            say(outbox, words)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(outbox.room(), 0.01)
        waiting = asyncio.create_task(outbox.room())
        taken, number = 0, 0
        while not waiting.done():
            answer = await outbox.take(number, 1.0)
            number = answer["number"]
            taken += sum(len(event["text"]) for event in answer["events"])
        assert not outbox.full()
        return taken

    assert asyncio.run(scene()) > 0


def test_nothing_is_lost_or_doubled_on_a_line_that_loses_every_third_answer():
    async def scene():
        outbox = Outbox()
        sent = [f"{n}\n" for n in range(500)]
        heard: list[str] = []
        number = asked = 0

        async def produce() -> None:
            for words in sent:
                await outbox.room()
                say(outbox, words)
                await asyncio.sleep(0)
            outbox.put({"type": "end", "run": "r1"})

        producer = asyncio.create_task(produce())
        while True:
            answer = await outbox.take(number, 1.0)
            asked += 1
            if asked % 3 == 0 or answer["number"] == number:
                continue
            number = answer["number"]
            for event in answer["events"]:
                if event["type"] == "end":
                    await producer
                    return "".join(sent), "".join(heard)
                heard.append(event["text"])

    sent, heard = asyncio.run(scene())
    assert heard == sent
