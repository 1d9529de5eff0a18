"""The sections ``management`` (health, metrics, actuator, watchdog), ``logging`` and ``info``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from app_framework.boot.actuator.endpoint import Access, Show
from app_framework.boot.config.properties import ConfigPath, ConfigProperties, DataSize, Duration, Field
from app_framework.boot.management.health import STATUS_ORDER, Status
from app_framework.boot.management.log_format import LEVELS, StructuredFormat, parse_level
from app_framework.boot.management.meters import SERIES_MAX
from app_framework.boot.management.metrics import TIMER_BUCKETS_S, is_label_name


def _names(value: object) -> object:
    """Take ``health, info`` for a list, as it is often written."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


Names = Annotated[
    list[str],
    BeforeValidator(_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""Names as a list, or as one text with commas."""


class WebExposureProperties(ConfigProperties):
    """Which endpoints are reached over HTTP."""

    include: Names = Field(default=["health"], description="Ids of exposed endpoints, or '*' for all.")
    exclude: Names = Field(default=[], description="Ids that are not exposed; wins over include.")


class WebEndpointsProperties(ConfigProperties):
    """The actuator over HTTP."""

    base_path: str = Field(default="/actuator", description="Path that the endpoints are below.")
    exposure: WebExposureProperties = WebExposureProperties()


class AccessProperties(ConfigProperties):
    """Access to all endpoints."""

    default: Access = Field(default=Access.UNRESTRICTED, description="Access to endpoints that set none themselves.")
    max_permitted: Access = Field(default=Access.UNRESTRICTED, description="Most access that any endpoint gets.")


class EndpointsProperties(ConfigProperties):
    """What holds for all endpoints."""

    web: WebEndpointsProperties = WebEndpointsProperties()
    access: AccessProperties = AccessProperties()


class EndpointProperties(ConfigProperties):
    """What every endpoint can be told."""

    access: Access | None = Field(default=None, description="Access to this endpoint: none, read-only, unrestricted.")


class ValuesEndpointProperties(EndpointProperties):
    """An endpoint that shows configured values."""

    show_values: Show = Field(
        default=Show.NEVER,
        description="When values are shown: never, when-authorized, always. Secrets never are.",
    )
    roles: Names = Field(default=[], description="Roles that are authorized; every signed-in caller when empty.")


class StatusProperties(ConfigProperties):
    """How statuses add up."""

    order: list[Status] = Field(default=list(STATUS_ORDER), description="Statuses, the most severe first.")
    http_mapping: dict[Status, int] = Field(
        default={Status.DOWN: 503, Status.OUT_OF_SERVICE: 503},
        description="HTTP status of each; 200 where none is set.",
    )


class HealthGroupProperties(ConfigProperties):
    """One group of health indicators."""

    include: Names | None = Field(
        default=None, description="Indicators in the group, or '*'; all unless the group is a probe."
    )
    exclude: Names = Field(default=[], description="Indicators that are left out; wins over include.")
    show_details: Show | None = Field(
        default=None, description="When details are shown; that of the endpoint when unset."
    )
    show_components: Show | None = Field(
        default=None, description="When components are shown; like details when unset."
    )
    roles: Names | None = Field(
        default=None, description="Roles that are authorized; those of the endpoint when unset."
    )
    status: StatusProperties | None = Field(
        default=None, description="How statuses add up; as for the whole when unset."
    )


class HealthLoggingProperties(ConfigProperties):
    """What the health endpoint logs."""

    slow_indicator_threshold: Duration = Field(
        default=timedelta(seconds=5), description="Duration from which an indicator is logged."
    )


class HealthProbesProperties(ConfigProperties):
    """The groups liveness and readiness."""

    enabled: bool = Field(default=True, description="Whether the groups liveness and readiness exist.")
    add_additional_paths: bool = Field(default=False, description="Whether they also answer at /livez and /readyz.")


class HealthEndpointProperties(EndpointProperties):
    """The health endpoint."""

    show_details: Show = Field(default=Show.NEVER, description="When details are shown.")
    show_components: Show | None = Field(
        default=None, description="When components are shown; like details when unset."
    )
    roles: Names = Field(default=[], description="Roles that are authorized; every signed-in caller when empty.")
    group: dict[str, HealthGroupProperties] = Field(default={}, description="Groups of indicators, by name.")
    status: StatusProperties = StatusProperties()
    timeout: Duration = Field(
        default=timedelta(seconds=10), description="Time after which an indicator counts as DOWN."
    )
    logging: HealthLoggingProperties = HealthLoggingProperties()
    probes: HealthProbesProperties = HealthProbesProperties()
    validate_group_membership: bool = Field(
        default=True, description="Whether a group that names an unknown indicator stops the start."
    )


class EndpointsByIdProperties(ConfigProperties):
    """One section for each endpoint."""

    beans: EndpointProperties = EndpointProperties()
    conditions: EndpointProperties = EndpointProperties()
    configprops: ValuesEndpointProperties = ValuesEndpointProperties()
    env: ValuesEndpointProperties = ValuesEndpointProperties()
    health: HealthEndpointProperties = HealthEndpointProperties()
    info: EndpointProperties = EndpointProperties()
    loggers: EndpointProperties = EndpointProperties()
    mappings: EndpointProperties = EndpointProperties()
    metrics: EndpointProperties = EndpointProperties()
    prometheus: EndpointProperties = EndpointProperties()
    startup: EndpointProperties = EndpointProperties()
    tasks: EndpointProperties = EndpointProperties()

    def accesses(self) -> dict[str, Access]:
        """Return the access of each endpoint that sets one."""
        found = {name: getattr(self, name).access for name in type(self).model_fields}
        return {name: access for name, access in found.items() if access is not None}


class HealthIndicatorProperties(ConfigProperties):
    """One health indicator."""

    enabled: bool = Field(default=True, description="Whether the indicator is asked.")
    timeout: Duration | None = Field(default=None, description="Its time limit; that of the endpoint when unset.")


def _label_names(tags: dict[str, str]) -> dict[str, str]:
    wrong = [name for name in tags if not is_label_name(name)]
    if wrong:
        raise ValueError(f"cannot hold {', '.join(map(repr, wrong))}: labels are made of letters, digits and _")
    return tags


class MetricsProperties(ConfigProperties):
    """The application's meters."""

    max_series: int = Field(
        default=SERIES_MAX, ge=1, description="Label sets per meter; what comes beyond counts as 'other'."
    )
    tags: Annotated[dict[str, str], AfterValidator(_label_names)] = Field(
        default={}, description="Labels that every meter carries in the Prometheus format."
    )
    timer_buckets: list[Duration] = Field(
        default=[timedelta(seconds=bound) for bound in TIMER_BUCKETS_S],
        description="Bounds of the timers' buckets.",
    )


class WatchdogProperties(ConfigProperties):
    """The watchdog over the event loop."""

    enabled: bool = Field(default=True, description="Whether the event loop is watched.")
    lag_limit: Duration = Field(
        default=timedelta(seconds=10), description="Silence of the event loop from which liveness is BROKEN."
    )
    interval: Duration = Field(default=timedelta(milliseconds=500), description="Time between two looks.")


class ManagementProperties(ConfigProperties, prefix="management"):
    """Health, metrics, actuator and watchdog."""

    endpoints: EndpointsProperties = EndpointsProperties()
    endpoint: EndpointsByIdProperties = EndpointsByIdProperties()
    health: dict[str, HealthIndicatorProperties] = Field(default={}, description="Single indicators, by name.")
    metrics: MetricsProperties = MetricsProperties()
    watchdog: WatchdogProperties = WatchdogProperties()


def _level_tree(value: object) -> object:
    """Check a level, or levels of loggers below: ``app: {web: debug}`` is ``app.web: debug``."""
    if isinstance(value, dict):
        return {str(name): _level_below(str(name), below) for name, below in value.items()}
    parse_level(str(value))
    return str(value)


def _level_below(name: str, value: object) -> object:
    try:
        return _level_tree(value)
    except ValueError as error:
        raise ValueError(f"{error} for the logger '{name}' below it") from None


LevelTree = Annotated[
    Any,
    AfterValidator(_level_tree),
    WithJsonSchema({"anyOf": [{"enum": [name.lower() for name in LEVELS]}, {"type": "string"}, {"type": "object"}]}),
]


class LogFileProperties(ConfigProperties):
    """The log file."""

    name: ConfigPath | None = Field(
        default=None,
        description="File to log to besides standard error; a relative path starts at the file that sets it.",
    )
    max_size: DataSize = Field(default="10MB", description="Size at which the file is rotated.")
    max_history: int = Field(default=7, ge=1, description="Number of rotated files that are kept.")


class StructuredFormatProperties(ConfigProperties):
    """Formats for machines."""

    console: StructuredFormat | None = Field(default=None, description="Format of standard error; text when unset.")
    file: StructuredFormat | None = Field(default=None, description="Format of the file; text when unset.")


class StructuredProperties(ConfigProperties):
    """Logging for machines."""

    format: StructuredFormatProperties = StructuredFormatProperties()


class LoggingProperties(ConfigProperties, prefix="logging"):
    """Levels, files and formats of the log."""

    level: dict[str, LevelTree] = Field(default={}, description="Level of each logger or group; 'root' for all others.")
    group: dict[str, list[str]] = Field(default={}, description="Names that stand for several loggers.")
    file: LogFileProperties = LogFileProperties()
    structured: StructuredProperties = StructuredProperties()

    def levels(self) -> dict[str, int]:
        """Return logger or group → level's number."""
        return _flat_levels(self.level)


def _flat_levels(tree: dict[str, object], above: str = "") -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found.update(_flat_levels(value, f"{above}{name}."))
        else:
            found[f"{above}{name}"] = parse_level(str(value))
    return found


class InfoProperties(ConfigProperties, prefix=""):
    """What the info endpoint shows besides its own."""

    info: dict[str, Any] = Field(default={}, description="Values that the info endpoint shows.")
