"""Pages: Jinja2 templates beside this file, served with a policy that lets the browser fetch from this node only."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

from app_framework.web.encoding import dumps

if TYPE_CHECKING:
    from jinja2 import Environment

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def render(template: str, **values: object) -> Response:
    """Return a page.

    Args:
        template: a file in ``templates``.
        **values: what it shows; escaped.
    """
    html = _templates().get_template(template).render(**values)
    return Response(html, headers=HEADERS, media_type="text/html")


def twin(document: object) -> Response:
    """Return what a page shows, as JSON."""
    return Response(dumps(document), headers={"Cache-Control": "no-store"}, media_type="application/json")


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "templates"
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
