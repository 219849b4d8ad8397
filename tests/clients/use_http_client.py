"""Uses the server at the URL with Python's http.client and urllib."""

import http.client
import sys
import urllib.request
from urllib.parse import urlsplit

url = sys.argv[1]
connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)

for _ in range(3):
    connection.request("GET", "/hello")
    assert connection.getresponse().read() == b"hello"

connection.request("POST", "/echo", body=iter([b"one", b"two"]), encode_chunked=True,
                   headers={"Transfer-Encoding": "chunked"})
assert connection.getresponse().read() == b"onetwo"

connection.request("HEAD", "/big/1000")
response = connection.getresponse()
assert response.read() == b"" and response.getheader("content-length") == "1000"

connection.request("GET", "/stream/10/100")
assert connection.getresponse().read() == b"x" * 1000

with urllib.request.urlopen(f"{url}/hello", timeout=30) as response:
    assert response.read() == b"hello"
print("ok")
