"""The fork server: one a folder, there as long as it is needed, and nothing lingers after it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import time

import psutil
import pytest

from lepton_jlab.errors import ClusterError
from lepton_jlab.runs.child.limits import private_bytes
from lepton_jlab.runs.forkserver import connect_or_start, describe_exit


def alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def gone(pid: int) -> bool:
    """Wait until a process has ended."""
    while alive(pid):
        time.sleep(0.005)  # the test's own timeout ends this
    return True


def printed(heard) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", heard.text)]


def test_it_is_private_ready_and_has_one_thread(worker):
    assert worker.info["preloaded"] == ["numpy"]
    assert len(worker.info["threads"]) == 1
    path = worker.server.path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_child_reports_its_status_and_memory(worker):
    heard = worker.run("pass")
    assert (heard.exit.status, heard.exit.oom) == (0, False)
    assert heard.exit.maxrss > 2**20


def test_several_children_live_at_once(worker):
    async def run_two():
        first, second = await asyncio.gather(*(talk(n) for n in range(2)))
        return first.text, second.text

    async def talk(n):
        conversation = await worker.fork(N=str(n))
        heard = await conversation.run(worker.spec("import os; print(os.environ['N'])"))
        await conversation.close()
        return heard

    waiting = worker.begin()  # a third, that has no cell all the while
    assert worker.do(run_two()) == ("0\n", "1\n")
    assert alive(waiting.child.pid)
    worker.do(waiting.close())
    assert gone(waiting.child.pid)


def test_a_child_dies_with_its_client(worker):
    conversation = worker.begin()
    spec = worker.spec("import os\nprint(os.getpid())\n!sleep 1000")

    async def begin_and_leave():
        running = asyncio.ensure_future(conversation.run(spec))
        await conversation.until(lambda heard: heard.text.endswith("\n"))
        pid = conversation.child.pid
        running.cancel()
        await conversation.close()
        return pid

    assert gone(worker.do(begin_and_leave()))


def test_nothing_that_a_cell_has_started_outlives_it(worker):
    heard = worker.run(
        "import subprocess\n"
        "!sleep 1000 & echo $!\n"
        "print(subprocess.Popen(['sleep', '1000']).pid)\n"
        "print(subprocess.Popen(['sleep', '1000'], start_new_session=True).pid)\n"
        "!(setsid sleep 1000 & echo $!)\n"
    )
    pids = printed(heard)
    assert len(pids) == 4
    assert all(gone(pid) for pid in pids)


def test_what_a_cell_leaves_in_the_background_lives_as_long_as_its_child(worker):
    conversation = worker.begin()
    code = "!(setsid sleep 1000 & echo $!)"
    (pid,) = printed(worker.do(conversation.run(worker.spec(code, keep="mine"))))
    worker.run("pass")  # another child's end makes the server look for what is left behind
    assert alive(pid)
    worker.do(conversation.close())
    assert gone(pid)


def test_a_killed_child_is_reported(worker):
    async def kill(conversation):
        await conversation.until(lambda heard: "ready" in heard.text)
        conversation.child.kill()

    heard = worker.run("print('ready')\nwhile True: pass", meanwhile=kill)
    assert heard.end is None
    assert heard.exit.status == -signal.SIGKILL
    assert heard.exit.oom is False


def test_a_childs_own_memory_can_be_seen(worker):
    async def measure(conversation):
        pid = conversation.child.pid
        start = private_bytes(pid)
        await conversation.until(lambda heard: "ready" in heard.text)
        grown.append(private_bytes(pid) - start)
        conversation.child.kill()

    grown: list[int] = []
    size = 64 * 2**20
    worker.run(
        f"import numpy, time\nx = numpy.ones({size}, 'u1')\nprint('ready')\ntime.sleep(1000)",
        meanwhile=measure,
    )
    assert size * 0.9 < grown[0] < size * 1.5


def test_workers_of_one_machine_share_one_and_it_ends_after_the_last(tmp_path):
    async def meet():
        servers = await asyncio.gather(
            *(connect_or_start(tmp_path, (), linger=0.1) for _ in range(4))
        )
        pids = {(await server.ready())["pid"] for server in servers}
        servers[0].close()
        later = await connect_or_start(tmp_path, ())
        pids.add((await later.ready())["pid"])
        for server in [*servers, later]:
            server.close()
        return pids

    (pid,) = asyncio.run(meet())
    assert gone(pid)
    assert not (tmp_path / "fork.sock").exists()


def test_a_socket_that_a_dead_server_left_is_replaced(tmp_path):
    async def start_kill_start():
        first = await connect_or_start(tmp_path, ())
        pid = (await first.ready())["pid"]
        os.kill(pid, signal.SIGKILL)
        assert gone(pid)
        assert first.path.exists()
        second = await connect_or_start(tmp_path, (), linger=0.1)
        assert (await second.ready())["pid"] != pid
        second.close()

    asyncio.run(start_kill_start())


def test_children_end_with_a_server_that_is_killed(tmp_path):
    async def fork_and_kill():
        server = await connect_or_start(tmp_path, ())
        ours, theirs = socket.socketpair()
        null = os.open(os.devnull, os.O_WRONLY)
        child = await server.fork({}, null, null, theirs.fileno())
        theirs.close()
        os.kill((await server.ready())["pid"], signal.SIGKILL)
        with pytest.raises(ClusterError, match="fork server"):
            await child.status()
        with pytest.raises(ClusterError, match="fork server"):
            await server.fork({}, null, null, null)
        ours.close()
        os.close(null)
        return child.pid

    assert gone(asyncio.run(fork_and_kill()))


def test_a_module_that_is_missing_is_left_out(tmp_path):
    async def preloaded():
        server = await connect_or_start(tmp_path, ("no_such_module", "json"), linger=0.1)
        info = await server.ready()
        server.close()
        return info["preloaded"]

    assert asyncio.run(preloaded()) == ["json"]
    assert "no_such_module" in (tmp_path / "fork.log").read_text()


@pytest.mark.parametrize("removed", ["the folder", "only the lock so far"])
def test_it_ends_when_its_folder_is_removed_and_makes_nothing_again(tmp_path, removed):
    folder = tmp_path / "fork"

    async def start_and_remove():
        server = await connect_or_start(folder, (), linger=0.1)
        pid = (await server.ready())["pid"]
        if removed == "the folder":
            shutil.rmtree(folder)
        else:
            (folder / "fork.lock").unlink()
        server.close()
        return pid

    assert gone(asyncio.run(start_and_remove()))
    assert not (folder / "fork.lock").exists()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path):
    with pytest.raises(ClusterError, match="too long"):
        asyncio.run(connect_or_start(tmp_path / ("x" * 100), ()))


@pytest.mark.parametrize(
    ("status", "oom", "kind", "message"),
    [
        (-11, False, "signal", "killed by SIGSEGV (segmentation fault)"),
        (-9, False, "signal", "killed by SIGKILL (killed)"),
        (-9, True, "memory", "killed by the kernel: the machine ran out of memory"),
        (3, False, "exit", "the process ended with status 3 before the cell did (os._exit?)"),
    ],
)
def test_ends_are_described(status, oom, kind, message):
    assert describe_exit(status, oom) == {"kind": kind, "message": message}
