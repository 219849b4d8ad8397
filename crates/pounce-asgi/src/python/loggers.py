"""Hands the server's log to Python's `logging`. Executed once per process, in the main interpreter."""

import json
import logging
import logging.config
import os
import sys
import traceback

# Whose loggers a configuration may name; the first that it names get the lines.
SERVERS = ("pounce", "uvicorn", "gunicorn", "hypercorn", "granian")

# What uvicorn logs, so that its formatters and filters for it find the arguments they expect.
ACCESS = '%s - "%s %s HTTP/%s" %d'


class Unusable(Exception):
    """A configuration that cannot be used: why, and what to do."""


def configure(path, text, config, level, folder):
    """Applies the configuration at `path`, in the JSON `text`, or in the dictionary `config`, which may name classes in the
    application's folder. A `level` that is given is set for the loggers. Returns `Loggers`."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    if text is not None:
        config = json.loads(text)
    elif path is not None:
        config = read(path)
    try:
        if config is None:
            logging.config.fileConfig(path, disable_existing_loggers=False)
            names = ini_names(path)
        else:
            names = {str(name) for name in config.get("loggers", ())}
            logging.config.dictConfig(config)
    except Exception as error:
        raise Unusable(reasons(error), hint(error)) from error
    return Loggers(server_of(names), level)


def read(path):
    """The dictionary in a file; None for an INI file, which logging reads itself."""
    kind = os.path.splitext(path)[1].lower()
    try:
        if kind == ".json":
            with open(path, "rb") as file:
                config = json.load(file)
        elif kind == ".toml":
            import tomllib

            with open(path, "rb") as file:
                config = tomllib.load(file)
        elif kind in (".yaml", ".yml"):
            import yaml

            with open(path, "rb") as file:
                config = yaml.safe_load(file)
        else:
            with open(path, "rb"):
                return None
    except ModuleNotFoundError as error:
        if error.name == "yaml":
            advice = "Install PyYAML for the application, or write the file as JSON or TOML."
            raise Unusable("a YAML file needs PyYAML, which is not installed", advice) from error
        raise
    except Exception as error:
        raise Unusable(reasons(error), "") from error
    if not isinstance(config, dict):
        raise Unusable(f"it is a {type(config).__name__}, not a table for logging.config.dictConfig", "")
    return config


def ini_names(path):
    """The loggers that an INI file names."""
    import configparser

    parser = configparser.RawConfigParser()
    parser.read(path)
    sections = [f"logger_{key.strip()}" for key in parser.get("loggers", "keys", fallback="").split(",")]
    return {parser.get(section, "qualname", fallback="") for section in sections if parser.has_section(section)}


def server_of(names):
    """The first server whose loggers are among the names."""
    named = {name.split(".")[0] for name in names}
    return next((server for server in SERVERS if server in named), "pounce")


def reasons(error):
    """The error and its causes, outermost first."""
    texts = []
    while error is not None:
        text = str(error) or type(error).__name__
        if not any(text in other for other in texts):
            texts.append(text)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return ": ".join(texts)


def hint(error):
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            return f"Install what the configuration uses ({error.name}), or leave that out of it."
        error = error.__cause__ or error.__context__
    return ""


class Loggers:
    """The loggers of one server."""

    def __init__(self, server, level):
        self.error = logging.getLogger(f"{server}.error")
        self.access = logging.getLogger(f"{server}.access")
        # A configuration disables the loggers that it does not name, unless it says otherwise.
        self.error.disabled = self.access.disabled = False
        if level is not None:
            self.error.setLevel(level)
            self.access.setLevel(level)
        self.level = self.error.getEffectiveLevel()
        self.failed = False

    def handle(self, lines):
        """Logs lines, `(created, level, text, arguments, attributes)`. Those with attributes are answered requests."""
        for created, level, text, arguments, attributes in lines:
            logger = self.error if attributes is None else self.access
            self.log(logger, created, level, ACCESS if text is None else text, arguments, attributes)

    def log(self, logger, created, level, text, arguments, attributes):
        try:
            if logger.isEnabledFor(level):
                record = logger.makeRecord(logger.name, level, "<pounce>", 0, text, arguments, None, None, attributes)
                record.relativeCreated += (created - record.created) * 1000
                record.created = created
                record.msecs = created % 1 * 1000
                logger.handle(record)
        except BaseException:
            # A handler reports its own failures; this is a filter's. Each record would report it again.
            if not self.failed:
                self.failed = True
                traceback.print_exc(file=sys.__stderr__)
