"""What is configured, and where it was written: ``env`` by source, ``configprops`` by model.

Values are hidden unless ``show-values`` says otherwise; secrets always are.
"""

from __future__ import annotations

from collections.abc import Mapping

from app_framework.boot.actuator.endpoint import Endpoint, EndpointRequest, EndpointResponse, Show, UnknownNameError
from app_framework.boot.config.environment import Environment
from app_framework.boot.config.errors import ConfigurationError
from app_framework.boot.config.explanation import UnknownPropertyError
from app_framework.boot.config.properties import ConfigProperties, prefix_of
from app_framework.boot.config.secrecy import MASK

Path = tuple[str | int, ...]


class EnvEndpoint(Endpoint):
    """Shows the sources of the configuration, the strongest first.

    Args:
        environment: the configuration.
        show_values: who sees values.
        roles: who is authorized; every caller who is signed in when empty.
    """

    id = "env"
    selectors = "key"

    def __init__(
        self, environment: Environment, show_values: Show = Show.NEVER, roles: frozenset[str] = frozenset()
    ) -> None:
        self._environment = environment
        self._show_values = show_values
        self._roles = roles

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with all sources, or with everything that sets one key."""
        shown = request.may_see(self._show_values, self._roles)
        if request.selector:
            return EndpointResponse(self._profiles() | self._one(request.selector, shown))
        sources = [
            {
                "name": source.name,
                "properties": {
                    key: {"value": self._value(key, value, shown), "origin": str(origin)}
                    for key, value, origin in source.entries()
                },
            }
            for source in self._environment.sources
        ]
        return EndpointResponse(self._profiles() | {"propertySources": sources})

    def _profiles(self) -> dict[str, object]:
        return {
            "activeProfiles": list(self._environment.active_profiles),
            "defaultProfiles": list(self._environment.default_profiles),
        }

    def _one(self, key: str, shown: bool) -> dict[str, object]:
        try:
            settings = self._environment.explain(key)
        except UnknownPropertyError as error:
            raise UnknownNameError("property", key, error.near) from error
        described = [
            {
                "name": setting.source,
                "property": {"value": _hidden(setting.value, shown), "origin": str(setting.origin)},
            }
            for setting in settings
        ]
        winner = settings[0]
        return {
            "property": {"source": winner.source, "value": _hidden(winner.value, shown)},
            "propertySources": described,
        }

    def _value(self, key: str, value: object, shown: bool) -> object:
        return _hidden(self._environment.mask(key, value), shown)


class ConfigPropsEndpoint(Endpoint):
    """Shows the property models with what they were bound to.

    Args:
        application: its name.
        environment: the configuration.
        show_values: who sees values.
        roles: who is authorized; every caller who is signed in when empty.
    """

    id = "configprops"
    selectors = "prefix"

    def __init__(
        self,
        application: str,
        environment: Environment,
        show_values: Show = Show.NEVER,
        roles: frozenset[str] = frozenset(),
    ) -> None:
        self._application = application
        self._environment = environment
        self._show_values = show_values
        self._roles = roles

    def read(self, request: EndpointRequest) -> EndpointResponse:
        """Answer with all models, or with those of one prefix."""
        shown = request.may_see(self._show_values, self._roles)
        wanted = request.selector
        models = [model for model in self._environment.models if wanted is None or _is_below(model, wanted)]
        if wanted and not models:
            known = (prefix_of(model) for model in self._environment.models)
            raise UnknownNameError("prefix", wanted, known)
        beans = {_bean_name(model): described for model in models if (described := self._model(model, shown))}
        return EndpointResponse({"contexts": {self._application: {"beans": beans}}})

    def _model(self, model: type[ConfigProperties], shown: bool) -> dict[str, object]:
        """Describe one model; nothing when it is not used and lacks a value that it would need."""
        try:
            bound = self._environment.bind(model).model_dump(mode="json", by_alias=True)
        except ConfigurationError:
            return {}
        prefix = prefix_of(model)
        path: Path = tuple(prefix.split(".")) if prefix else ()
        return {
            "prefix": prefix,
            "properties": self._properties(bound, path, shown),
            "inputs": self._inputs(bound, path, shown),
        }

    def _properties(self, value: object, path: Path, shown: bool) -> object:
        if isinstance(value, Mapping) and value:
            return {key: self._properties(inner, (*path, key), shown) for key, inner in value.items()}
        if isinstance(value, list) and value:
            return [self._properties(inner, (*path, number), shown) for number, inner in enumerate(value)]
        return _hidden(self._environment.mask(path, value), shown)

    def _inputs(self, value: object, path: Path, shown: bool) -> object:
        """Say of each value what was written, and where; of a default nothing."""
        if isinstance(value, Mapping) and value:
            return {key: self._inputs(inner, (*path, key), shown) for key, inner in value.items()}
        if isinstance(value, list) and value:
            return [self._inputs(inner, (*path, number), shown) for number, inner in enumerate(value)]
        if not self._environment.contains(path):
            return {}
        written = self._environment.mask(path, self._environment.get(path))
        return {"value": _hidden(written, shown), "origin": str(self._environment.origin(path))}


def _hidden(value: object, shown: bool) -> object:
    if shown or value is None or value in ({}, []):
        return value
    return MASK


def _is_below(model: type[ConfigProperties], prefix: str) -> bool:
    return f"{prefix_of(model)}.".startswith(prefix.rstrip(".") + ".")


def _bean_name(model: type[ConfigProperties]) -> str:
    """Return the name Spring gives to such a bean: prefix and class."""
    return f"{prefix_of(model)}-{model.__module__}.{model.__qualname__}"
