"""FA9: a canary secret from YAML, a variable and a placeholder is nowhere to be seen."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from app_framework.boot import ConfigProperties, Field, SecretStr, auto_configuration, bean, component, on_property
from app_framework.boot.actuator import EndpointError, EndpointRegistry, EndpointRequest, EndpointResponse
from app_framework.boot.management.health import Health, HealthIndicator
from app_framework.boot.management.redaction import redacted_failure
from app_framework.testing import ContextRunner

CANARIES = (
    "canary-yaml-4711",
    "canary-variable-4712",
    'canary-placeholder-"4713"',
    "canary-url-4714",
    "canary-name-4715",
)


class VaultProperties(ConfigProperties, prefix="vault"):
    """Secrets of every kind."""

    yaml: SecretStr | None = None
    variable: SecretStr | None = None
    placeholder: SecretStr | None = None
    url: str = ""
    labels: dict[str, str] = Field(default={})


@component
class VaultHealth(HealthIndicator):
    """A driver that tells the world what it was given."""

    def __init__(self, properties: VaultProperties) -> None:
        self._properties = properties

    def health(self) -> Health:
        secrets = [each.get_secret_value() for each in (self._properties.yaml, self._properties.placeholder) if each]
        logging.getLogger("driver").warning("connecting with %s and %s", secrets, self._properties.url)
        raise ConnectionError(f"refused: {secrets} at {self._properties.url}")


@auto_configuration(properties=[VaultProperties])
class VaultAutoConfiguration:
    """Decides by a secret, which the conditions report then quotes."""

    @bean(on_property("vault.yaml", equals="something else"))
    def off(self) -> VaultHealth:
        return VaultHealth(VaultProperties())


RUNNER = (
    ContextRunner(auto=[VaultAutoConfiguration], sources=[VaultHealth])
    .yaml(
        """
        vault:
          yaml: canary-yaml-4711
          placeholder: "${VAULT_PASSWORD}"
          url: "nats://me:${URL_PASSWORD}@localhost:4222"
          labels: {api-key: canary-name-4715}
        management:
          endpoints: {web: {exposure: {include: ["*"]}}}
          endpoint:
            health: {show-details: always}
            env: {show-values: always}
            configprops: {show-values: always}
        """
    )
    .environ(
        {
            "APP_VAULT_VARIABLE": "canary-variable-4712",
            "VAULT_PASSWORD": 'canary-placeholder-"4713"',
            "URL_PASSWORD": "canary-url-4714",
        }
    )
    .with_logging()
)


def leaks(text: str) -> list[str]:
    """Every canary that is in the text, however it is escaped."""
    plain = text.replace("\\", "")
    return [canary for canary in CANARIES if canary in plain or canary.replace('"', "") in plain.replace('"', "")]


async def everything(registry: EndpointRegistry) -> list[EndpointResponse]:
    answers = [await registry.read(endpoint.id) for endpoint in registry.exposed]
    for key in ("vault.yaml", "vault.variable", "vault.placeholder", "vault.url", "vault.labels", "vault"):
        for id in ("env", "configprops"):  # noqa: A001
            try:
                answers.append(await registry.read(id, EndpointRequest(key)))
            except EndpointError as error:
                answers.append(EndpointResponse(text=str(error)))
    return answers


def test_fa9_no_endpoint_and_no_log_line_shows_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """With every value shown that can be shown, and a driver that puts its password into its errors."""

    async def story() -> list[EndpointResponse]:
        async with RUNNER.start() as context:
            logging.getLogger("app").error("all of them: %s", CANARIES)
            return await everything(context[EndpointRegistry])

    answers = asyncio.run(story())
    shown = "\n".join(answer.text or json.dumps(answer.body) for answer in answers)
    assert leaks(shown) == []
    assert leaks(capsys.readouterr().err) == []
    assert "refused: [" in shown
    assert shown.count("******") > 5


@pytest.mark.parametrize("format", ["ecs", "logstash"])
def test_fa9_structured_logs_show_no_secret(format: str, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: A002
    """Nor in the fields of an exception."""
    runner = RUNNER.properties({"logging.structured.format.console": format})

    async def story() -> None:
        async with runner.start():
            try:
                raise ValueError(CANARIES)
            except ValueError:
                logging.getLogger("app").exception("failed", extra={"given": CANARIES})

    asyncio.run(story())
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert leaks(text) == []


@component
class Broken:
    """Says in its error what it was given."""

    def __init__(self, properties: VaultProperties) -> None:
        assert properties.yaml is not None
        raise ValueError(f"cannot use {properties.yaml.get_secret_value()}")


def test_fa9_the_words_for_a_failure_hold_no_secret() -> None:
    """What a constructor puts into its error is masked with the rest."""
    runner = RUNNER.sources(Broken)
    words = redacted_failure(runner.fails(), runner.prepare().environment).to_text()
    assert "cannot use ******" in words
    assert leaks(words) == []


def test_fa9_a_refused_value_is_not_quoted_when_it_is_secret() -> None:
    """Nor when its key is misspelt."""
    wrong = RUNNER.properties({"vault.yalm": "canary-yaml-4711"}).fails()
    assert "Did you mean: yaml" in wrong.description
    assert leaks(wrong.to_text()) == []
