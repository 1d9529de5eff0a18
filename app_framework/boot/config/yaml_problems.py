"""Say in plain words what the YAML parser did not understand."""

from __future__ import annotations

from typing import Any

_QUOTE = "Quote the text, or put the nested key on its own line, indented by two spaces."
_INDENT = "Give the keys of one map the same indentation."

_SAYINGS: tuple[tuple[str, str, str], ...] = (
    ("mapping values are not allowed", "a ':' cannot stand here", _QUOTE),
    ("could not find expected ':'", "the line above is neither 'key: value' nor '- item'", _QUOTE),
    ("did not find expected key", "this line does not fit the map it is in", _INDENT),
    ("did not find expected '-' indicator", "this line does not fit the list it is in", _INDENT),
    (
        "did not find expected ',' or ']'",
        "the list that begins in line {line} is not closed",
        "Close the list with ']'.",
    ),
    ("did not find expected ',' or '}'", "the map that begins in line {line} is not closed", "Close the map with '}'."),
    ("did not find expected node content", "a value is missing", "Close the list or map, or quote the text."),
    ("found unexpected end of stream", "the quoted text that begins here is not closed", "Close the quote."),
    (
        "found unknown escape character",
        "this escape is not known between double quotes",
        "Use single quotes for text with backslashes.",
    ),
    ("found unexpected document indicator", "the quoted text is not closed before '---'", "Close the quote."),
    ("did not find expected <document start>", "a second document must begin with '---'", _INDENT),
    (
        "block sequence entries are not allowed",
        "a list item cannot stand here",
        "Put the list on the lines below its key.",
    ),
)


def explain_syntax(error: Any, text: str) -> tuple[str, int, int, str]:  # Any: yaml's errors have no common shape
    """Return message, line, column (from 1) and advice for an error of the YAML parser."""
    if getattr(error, "problem_mark", None) is None and hasattr(error, "position"):
        return _unreadable(error.position, text)
    problem = str(getattr(error, "problem", None) or "this is not YAML")
    mark = error.problem_mark or error.context_mark
    if "end of stream" in problem and error.context_mark:
        mark = error.context_mark
    message, action = _said(problem, text, mark.index)
    begin = error.context_mark or mark
    return message.replace("{line}", str(begin.line + 1)), mark.line + 1, mark.column + 1, action


def _said(problem: str, text: str, index: int) -> tuple[str, str]:
    if "cannot start any token" in problem:
        found = text[index : index + 1]
        if found == "\t":
            return "a tab cannot indent YAML", "Indent with spaces."
        return f"a value cannot begin with '{found}'", "Quote the text."
    for phrase, message, action in _SAYINGS:
        if phrase in problem:
            return message, action
    return problem, "Correct the YAML."


def _unreadable(position: int, text: str) -> tuple[str, int, int, str]:
    """Explain a control character, which the parser refuses before it counts lines."""
    before = text[:position]
    line = before.count("\n") + 1
    column = position - (before.rfind("\n") + 1) + 1
    return "a control character is not allowed", line, column, "Remove the character."
