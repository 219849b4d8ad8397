"""httpx over HTTP/2 uploads more than the server's windows hold to an application that does not read it."""

import sys

import httpx

url = sys.argv[1]
for size in (300_000, 10_000_000):
    for path, status in (("ignore-body", 200), ("status/413", 413)):
        with httpx.Client(http1=False, http2=True, timeout=30) as client:
            response = client.post(f"{url}/{path}", content=b"x" * size)
            assert response.status_code == status, response
            assert response.http_version == "HTTP/2", response
            # The connection is still usable.
            assert client.get(f"{url}/hello").text == "hello"
print("ok")
