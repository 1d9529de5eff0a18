"""The Studio: the node's own pages, rendered here, without scripts and without any other network.

@bean
def orders_section(self, orders: Orders) -> StudioSection: …      # a starter adds a section to the start page
"""

from __future__ import annotations

from app_framework.web.studio.section import StudioItem, StudioSection

__all__ = ["StudioItem", "StudioSection"]
