"""A route that is given its component.

af run benchmarks.subjects.wired_route:app
"""

from __future__ import annotations

from fastapi import APIRouter

from app_framework import Application, Autowired, component
from benchmarks.subjects.greeting import Greeter

router = APIRouter()


@component
class WiredGreeter(Greeter):
    """The greeter as a component."""


@router.get("/greet/{name}")
async def greet(name: str, greeter: Autowired[WiredGreeter]) -> str:
    """Greet."""
    return greeter.greet(name)


app = Application(name="wired-route", sources=[WiredGreeter, router])
