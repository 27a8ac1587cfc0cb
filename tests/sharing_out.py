"""Which tests go to the same worker: those that share what is dear to make."""

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # it ships no types

_ACCESS = "tests/access/"
_DATABASES = ("sqlite", "postgresql")


class SharingOut(LoadFileScheduling):  # type: ignore[misc]  # as above
    """A file is one worker's. The files of tests/access ask one served application for each database, with everybody in
    it: so what asks the same one is one worker's, or each of them would make both again for each file.
    """

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        if not file.startswith(_ACCESS):
            return file
        parameters = nodeid.partition("[")[2]
        return _ACCESS + next((database for database in _DATABASES if database in parameters), "")
