"""The fixture for pytest, and `pounce.testing`."""

import urllib.request

import apps as applications
import pounce.testing


def read(url):
    with urllib.request.urlopen(url) as response:
        return response.read()


def test_the_fixture_serves_until_the_end_of_the_test(pounce_server):
    first = pounce_server(applications.hello)
    second = pounce_server(applications.hello, root_path="/api")
    assert first != second
    assert read(first) == read(second) == b"hello"


def test_served_is_the_same_as_a_context_manager():
    with pounce.testing.served(applications.hello) as url:
        assert read(url) == b"hello"
