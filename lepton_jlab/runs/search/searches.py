"""The searches of one host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from lepton_jlab.errors import RunError
from lepton_jlab.runs import records
from lepton_jlab.runs.placing import Work
from lepton_jlab.runs.search.asked import require_optuna
from lepton_jlab.runs.search.search import Runs, Search


class Searches:
    """Begins, resumes and stops searches.

    Parameters
    ----------
    runs
        Where their runs are queued and ended.
    host
        What a submission says of its host: ``cluster``, ``host_pid``, ``host_created``.
    work
        Finds out what decides where runs go, by the digest of their code and what a child needs.
    """

    def __init__(
        self,
        runs: Runs,
        host: Mapping[str, Any],
        work: Callable[[str, Mapping[str, Any]], Awaitable[Work]],
    ) -> None:
        self._runs = runs
        self._host = host
        self._work = work
        self._going_on: dict[str, Search] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._going_on

    def __len__(self) -> int:
        return len(self._going_on)

    async def begin(
        self, number: int, options: Mapping[str, Any], spec: Mapping[str, Any], work: Work
    ) -> list[int]:
        """Begin the search of a submission; return the runs of its first trial."""
        require_optuna()
        return await self._start(Search(number, options, spec, work, self._runs, self._ended))

    async def resume(
        self, number: int, trials: int | None, spec: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Go on with a search that was killed or cancelled, or give it more trials.

        Raises
        ------
        RunError
            It goes on.
        UsageError
        It has had all its trials.
        """
        require_optuna()
        key = f"s{number}"
        if key in self:
            raise RunError(f"{key} goes on. Wait for it: %lepton runs wait {key}")
        record = records.submission(number)
        assert record is not None
        asked = {**record["options"]["search"], "state": "running", "error": None}
        asked["trials"] = trials or asked["trials"]
        options = {**record["options"], "search": asked}
        own = {key: value for key, value in spec.items() if key != "search"}
        work = await self._work(record["digest"] or "", own)
        search = Search(number, options, own, work, self._runs, self._ended)
        return {"runs": await self._start(search, resumed=True)}

    async def _start(self, search: Search, *, resumed: bool = False) -> list[int]:
        self._going_on[search.id] = search
        try:
            # What a dead host had not ended is settled by this, and only then is it this host's.
            await search.open()
            if resumed:
                records.change_submission(int(search.id[1:]), self._host)
            return await search.begin()
        except BaseException:
            del self._going_on[search.id]
            search.close()
            raise

    def want(self, slots: int) -> None:
        """Have each search ask for as many trials as there are slots."""
        for search in list(self._going_on.values()):
            search.want(slots)

    def stopped(self, keys: list[str]) -> Iterator[str]:
        """Stop the searches among `keys`; yield their runs, and the other keys."""
        for key in keys:
            if key in self._going_on:
                yield from self._going_on[key].stop("cancelled")
            else:
                yield key

    def close(self) -> None:
        """Stop all; they can be resumed on another host."""
        for search in list(self._going_on.values()):
            search.stop("cancelled")
            search.close()

    def _ended(self, search: Search) -> None:
        if self._going_on.pop(search.id, None) is not None:
            search.close()
            self._runs.changes.note([search.id])
