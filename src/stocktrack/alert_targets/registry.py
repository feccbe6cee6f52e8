"""Settings to targets: each kind's module, and the library under it, is imported only where there is one of it."""

from collections.abc import Mapping
from typing import assert_never

from stocktrack.alert_targets.base import Target
from stocktrack.clock import Clock
from stocktrack.errors import ConfigError, extra_hint
from stocktrack.target_settings import (
    AnyTarget,
    AppriseSettings,
    CommandSettings,
    EmailSettings,
    NtfySettings,
    WebhookSettings,
)


def build_targets(settings: Mapping[str, AnyTarget], clock: Clock) -> dict[str, Target]:
    """The targets by their names; `ConfigError` names the setting that cannot be used on this machine.

    Nothing is connected and nothing is started: a target that is away is found when it is told something.
    """
    return {name: build_target(name, each, clock) for name, each in settings.items()}


def build_target(name: str, settings: AnyTarget, clock: Clock) -> Target:
    """The target `name`, as `build_targets` makes it."""
    match settings:
        case WebhookSettings():
            from stocktrack.alert_targets.webhook import WebhookTarget

            return WebhookTarget(name, settings, clock)
        case NtfySettings():
            from stocktrack.alert_targets.ntfy import NtfyTarget

            return NtfyTarget(name, settings, clock)
        case EmailSettings():
            from stocktrack.alert_targets.mail import EmailTarget

            return EmailTarget(name, settings, clock)
        case CommandSettings():
            from stocktrack.alert_targets.command import CommandTarget

            return CommandTarget(name, settings)
        case AppriseSettings():
            try:
                from stocktrack.alert_targets.apprise import AppriseTarget
            except ImportError as error:
                if (error.name or "").partition(".")[0] != "apprise":
                    raise
                needs = f"alert_targets.{name}: the kind apprise needs the library Apprise."
                raise ConfigError(f"{needs} {extra_hint('apprise')}.") from None
            return AppriseTarget(name, settings)
        case _:
            assert_never(settings)
