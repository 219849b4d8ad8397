"""What servers raise. The messages are those of the command line."""


class PounceError(Exception):
    """A server failed. `hint` says what may help; it can be empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n\nhint: {self.hint}" if self.hint else self.message


class ConfigError(PounceError):
    """An option has a faulty value, or options do not go together."""


class AppImportError(PounceError):
    """The application cannot be imported, or is none."""


class BindError(PounceError):
    """An address cannot be bound."""


class StartupError(PounceError):
    """The application's startup failed."""
