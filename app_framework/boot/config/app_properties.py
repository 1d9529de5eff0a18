"""The framework's own properties: the section ``app``, and ``debug``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from app_framework.boot.config.properties import ConfigPath, ConfigProperties, Duration, Field


class ActivateProperties(ConfigProperties):
    """When a document of a file counts."""

    on_profile: str | list[str] | None = Field(
        default=None, description="Profile expression that must hold for this document, such as prod & !eu."
    )


class ConfigDataProperties(ConfigProperties):
    """Where configuration comes from and how strict it is."""

    import_: str | list[str] = Field(
        default=[],
        description="Files (relative to this one), configtree: folders and env: variables to read after this document; "
        "with optional: in front they may be missing.",
    )
    location: str | list[str] = Field(
        default=[],
        description="Files and folders to read in place of ./, ./config/ and ./config/*/; "
        "from the command line or the environment only.",
    )
    additional_location: str | list[str] = Field(
        default=[],
        description="Files and folders to read after the others; from the command line or the environment only.",
    )
    activate: ActivateProperties = Field(default=ActivateProperties(), description="When this document counts.")
    unknown: Literal["fail", "warn"] = Field(default="fail", description="What an unknown key or section does.")


class ProfilesProperties(ConfigProperties):
    """Which profiles are active."""

    active: str | list[str] = Field(default=[], description="Profiles to activate; the last one wins.")
    include: str | list[str] = Field(default=[], description="Profiles to activate before the active ones.")
    default: str | list[str] = Field(default=["default"], description="Profiles that hold while none is active.")
    group: dict[str, str | list[str]] = Field(
        default={}, description="Profiles that a profile brings with it, by its name."
    )


class AutoConfigureProperties(ConfigProperties):
    """Which auto-configurations are considered."""

    enabled: bool = Field(default=True, description="Whether installed starters configure themselves.")
    exclude: list[str] = Field(default=[], description="Ids of auto-configurations to leave out.")


class LifecycleProperties(ConfigProperties):
    """How long starting and stopping may take."""

    start_timeout: Duration = Field(default="60s", description="Time for all components to start.")
    timeout_per_phase: Duration = Field(
        default="30s", description="Time for one started component, such as the web server, to stop."
    )
    stop_timeout: Duration = Field(default="10s", description="Time for one component to close.")
    drain_delay: Duration = Field(default="0s", description="Time between refusing readiness and closing the doors.")


class AppProperties(ConfigProperties, prefix="app"):
    """The application itself."""

    name: str = Field(default="application", min_length=1, description="Name of the application.")
    version: str | None = Field(default=None, description="Version of the application.")
    data_dir: ConfigPath = Field(
        default_factory=lambda validated: Path(".app") / validated["name"],
        description="Folder of everything this node keeps; .app/<name> unless set.",
    )
    profiles: ProfilesProperties = Field(default=ProfilesProperties(), description="Profiles.")
    config: ConfigDataProperties = Field(default=ConfigDataProperties(), description="Configuration files.")
    autoconfigure: AutoConfigureProperties = Field(default=AutoConfigureProperties(), description="Auto-configuration.")
    lifecycle: LifecycleProperties = Field(default=LifecycleProperties(), description="Start and stop.")


class RootProperties(ConfigProperties, prefix=""):
    """Switches that belong to no section."""

    debug: bool = Field(default=False, description="Whether to tell why each thing is configured or not.")


OWN_MODELS: tuple[type[ConfigProperties], ...] = (AppProperties, RootProperties)
