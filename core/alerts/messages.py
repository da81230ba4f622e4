"""Decides what a notice says, in English or Chinese: the numbers, what to do, and where to look. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Formatter

from core.alerts.digest import Notice
from core.alerts.numbers import amount, plain, span
from core.alerts.phrases import DETAILS, NOUNS, WORDS
from core.alerts.rules import Fact, Metric, Severity, Side, Subject, side_of

LANGUAGES = tuple(WORDS)
# Services cut long messages where they like; better that we do it and say so.
_MOST_LINES = 20
_TITLE_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Text:
    """A message as it is sent."""

    title: str
    body: str
    severity: Severity


def compose(notices: Sequence[Notice], language: str, console_url: str | None) -> Text:
    """The text of one notice, or of a digest of several."""
    assert notices, "a message tells of something"
    if len(notices) == 1:
        return _single(notices[0], language, console_url)
    return _digest(notices, language, console_url)


def trial_text(route: str, language: str, console_url: str | None) -> Text:
    """What `consignd alerts test` sends."""
    words = WORDS[language]
    body = words["test_body"].format(route=route)
    link = [words["look"].format(url=console_url)] if console_url else []
    return Text(words["test_title"], "\n".join([body, *link]), Severity.INFO)


def headline(notice: Notice, language: str) -> str:
    """A notice in one line: which subject, which number, which line."""
    return headline_of(
        Metric(notice.metric), notice.subject, notice.kind, notice.value, notice.cross, notice.clear, language
    )


def headline_of(
    metric: Metric,
    subject: Subject,
    kind: str,
    value: float | None,
    cross: float,
    clear: float,
    language: str,
) -> str:
    """The same of what an incident is made of; `kind` is that of a notice."""
    words = WORDS[language]
    told = {
        "subject": subject.name or words["house"],
        "noun": NOUNS[language][metric],
        "value": "" if value is None else amount(metric, value, language),
        "cross": amount(metric, cross, language),
        "clear": amount(metric, clear, language),
        "side": words["below" if side_of(metric) is Side.BELOW else "above"],
    }
    return words[kind].format(**told)


def _single(notice: Notice, language: str, console_url: str | None) -> Text:
    words = WORDS[language]
    mark = words["over"] if notice.kind in ("recovered", "gone") else words[notice.severity.value]
    title = words["title"].format(mark=mark, headline=headline(notice, language))
    lines = [headline(notice, language), *_details(notice, language)]
    lines.append(words["rule"].format(rule=notice.rule, incident=notice.incident_id, at=_moment(notice.at)))
    if notice.kind != "raised":
        lasted = span((notice.at - notice.opened_at).total_seconds(), language)
        lines.append(words["lasted"].format(lasted=lasted))
    if console_url:
        lines.append(words["look"].format(url=f"{console_url}/alerts/{notice.incident_id}"))
    return Text(_cut(title), "\n".join(lines), _loudness([notice]))


def _digest(notices: Sequence[Notice], language: str, console_url: str | None) -> Text:
    words = WORDS[language]
    raised = [notice for notice in notices if notice.kind in ("raised", "reminder")]
    over = [notice for notice in notices if notice.kind in ("recovered", "gone")]
    loudest = _loudness(notices)
    mark = words[loudest.value] if raised else words["over"]
    told = words["digest"].format(raised=len(raised), over=len(over))
    lines = [told]
    # The loudest first, then the oldest; ends come last.
    raised.sort(key=lambda notice: (-notice.severity.rank, notice.notice_id))
    for notice in [*raised, *over][:_MOST_LINES]:
        hint = _restock(notice, language)
        lines.append(f"- #{notice.incident_id} {headline(notice, language)}" + (f" ({hint})" if hint else ""))
    if len(notices) > _MOST_LINES:
        lines.append(words["more"].format(count=len(notices) - _MOST_LINES))
    if console_url:
        lines.append(words["look"].format(url=f"{console_url}/alerts"))
    return Text(_cut(words["title"].format(mark=mark, headline=told)), "\n".join(lines), loudest)


def _details(notice: Notice, language: str) -> list[str]:
    """What else is known, as far as the facts for it are there."""
    lines = []
    title = notice.facts.get("title")
    if isinstance(title, str) and title and title != notice.subject.name:
        lines.append(title)
    if notice.kind in ("raised", "reminder"):
        for template in DETAILS[language].get(Metric(notice.metric), ()):
            if _known(template, notice.facts):
                lines.append(template.format_map(_written(notice.facts, language)))
        if hint := _restock(notice, language):
            lines.append(hint)
    return lines


def _restock(notice: Notice, language: str) -> str:
    """How many to order, for what runs out because it sells."""
    facts = notice.facts
    if notice.kind not in ("raised", "reminder") or not facts.get("restock"):
        return ""
    return WORDS[language]["restock"].format_map(_written(facts, language))


def _known(template: str, facts: Mapping[str, Fact]) -> bool:
    """Whether every fact of a template is known and worth telling."""
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    return all(facts.get(name) not in (None, "", False, 0) for name in names)


def _written(facts: Mapping[str, Fact], language: str) -> dict[str, str]:
    return {name: _fact(name, fact, language) for name, fact in facts.items()}


def _fact(name: str, fact: Fact, language: str) -> str:
    if isinstance(fact, int | float) and not isinstance(fact, bool):
        return span(fact, language) if name.endswith("_seconds") else plain(fact)
    return str(fact)


def _loudness(notices: Sequence[Notice]) -> Severity:
    """How loud a message is: as its loudest notice; an end is never louder than news."""
    return max(
        (Severity.INFO if notice.kind in ("recovered", "gone") else notice.severity for notice in notices),
        key=lambda severity: severity.rank,
    )


def _cut(title: str) -> str:
    return title if len(title) <= _TITLE_CHARACTERS else title[: _TITLE_CHARACTERS - 1] + "…"


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
