"""The bounds of distributed cubes; all of them are properties."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DistributionLimits:
    """What a distributed cube may cost, and how long it waits for others.

    Args:
        members_max: of one hierarchy of one data cube; more are concealed, or refused.
        rows_max: of an answer, and of what one data cube sends for one set of cells.
        bytes_max: of what one data cube sends at once.
        heartbeat_s: how often a data cube says that it is there.
        suspect_s: after how long without a word a data cube is not asked.
        discovery_timeout_s: how long fetching what a data cube holds may take.
        discovery_concurrency: of how many data cubes at once.
        announcement_s: how long a question waits for the announcement of a version that it met.
        mask_s: how long masking waits for the acknowledgement of query cubes.
        deltas_kept: of how many versions a data cube remembers what each changed in its members.
        failures_max: how often a question is asked again, of others or of a newer version, before it is refused.
    """

    members_max: int = 1_000_000
    rows_max: int = 1_000_000
    bytes_max: int = 512 << 20
    heartbeat_s: float = 0.5
    suspect_s: float = 2.0
    discovery_timeout_s: float = 60.0
    discovery_concurrency: int = 4
    announcement_s: float = 5.0
    mask_s: float = 10.0
    deltas_kept: int = 16
    failures_max: int = 8
