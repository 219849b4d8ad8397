"""CPython's own tests of asyncio: `python -m cpython [TEST...]`."""

import importlib
import os
import sys
import unittest

import replacement


class Result(unittest.TextTestResult):
    """Reports each outcome."""

    def _report(self, test, outcome, reason=""):
        replacement.write_outcome(test.id(), outcome, reason)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._report(test, "passed")

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        self._report(test, "passed")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._report(test, "failed")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._report(test, "skipped", reason)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._report(test, "failed")

    def addError(self, test, error):
        super().addError(test, error)
        self._report(test, "failed")

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self._report(test, "failed")


def modules():
    package = importlib.import_module("test.test_asyncio")
    names = os.listdir(package.__path__[0])
    return sorted(f"test.test_asyncio.{name[:-3]}" for name in names if name.startswith("test_") and name.endswith(".py"))


def main():
    suite = unittest.TestSuite()
    for name in sys.argv[1:] or modules():
        try:
            suite.addTests(unittest.defaultTestLoader.loadTestsFromName(name))
        except unittest.SkipTest as skip:
            replacement.write_outcome(name, "skipped", str(skip))
    unittest.TextTestRunner(resultclass=Result, buffer=True).run(suite)


if __name__ == "__main__":
    main()
