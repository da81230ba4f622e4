"""Has the lines that one channel told matched and posted, whether they were pulled or imported."""

from __future__ import annotations

import structlog

from core.money.statements.book import StatementBook
from core.money.statements.terms import MatchTerms

_log = structlog.get_logger()


class StatementMatcher:
    """Matches the statements of one channel."""

    def __init__(self, book: StatementBook, terms: MatchTerms) -> None:
        self._book = book
        self._terms = terms

    async def match(self) -> None:
        """One round; what differs is an incident, and the log says that there is one."""
        report = await self._book.match(self._terms)
        if report.opened:
            _log.warning("statement.differs", channel=self._terms.channel, opened=report.opened)
        if report.lines or report.settled:
            _log.info(
                "statement.matched",
                channel=self._terms.channel,
                lines=report.lines,
                matched=report.matched,
                settled=report.settled,
            )
