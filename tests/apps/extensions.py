"""Uses the extensions of ASGI's HTTP scope, one path for each."""

from kit import body, describe_error, query, respond, respond_json, router, routes_of, start


async def offered(scope, receive, send):
    await respond_json(send, sorted(scope.get("extensions") or {}))


async def trailers(scope, receive, send):
    headers = [(b"trailer", b"x-checksum")]
    await start(send, headers=headers, trailers=True)
    await body(send, b"content")
    await send({"type": "http.response.trailers", "headers": [(b"x-checksum", b"abc")], "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": [(b"x-second", b"def")]})


async def bad_trailers(scope, receive, send, which):
    """A trailer that would split the response is refused; an empty section ends it."""
    bad = {
        "lf": (b"x-a", b"v\nset-cookie: a=b"), "crlf": (b"x-a", b"v\r\n\r\nHTTP/1.1 200 OK"),
        "name": (b"x-a\r\nx-b", b"v"), "nul": (b"x-a", b"\x00"),
    }
    await start(send, trailers=True)
    await body(send, b"content|", True)
    await body(send)
    try:
        await send({"type": "http.response.trailers", "headers": [bad[which]]})
        report = "no exception"
    except Exception as error:
        report = describe_error(error)
    await send({"type": "http.response.trailers", "headers": [(b"x-report", ascii(report).encode())]})


async def early_hint(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload; as=style"]})
    await send({"type": "http.response.early_hint", "links": [b"</b.js>; rel=preload", b"</c.js>; rel=preload"]})
    await respond(send, b"hinted")


async def bad_early_hint(scope, receive, send, which):
    links = {"lf": [b"</a>\nset-cookie: a=b"], "crlf": [b"</a>\r\n\r\n"], "nul": [b"\x00"], "str": ["</a>"], "int": 5}
    try:
        await send({"type": "http.response.early_hint", "links": links[which]})
    except Exception as error:
        return await respond(send, describe_error(error))
    await respond(send, b"no exception")


async def debug(scope, receive, send):
    await send({"type": "http.response.debug", "info": {"template": "secret.html", "context": {"a": object()}}})
    await respond(send, b"debugged")


async def path_send(scope, receive, send):
    import os

    path = query(scope, "path")
    await start(send, headers=[(b"content-length", str(os.path.getsize(path)).encode())])
    await send({"type": "http.response.pathsend", "path": path})


async def path_send_unannounced(scope, receive, send):
    """Without a length: the server determines it, or frames the body in another way."""
    await start(send)
    await send({"type": "http.response.pathsend", "path": query(scope, "path")})


async def path_send_missing(scope, receive, send):
    try:
        await start(send)
        await send({"type": "http.response.pathsend", "path": "/nonexistent/file"})
    except OSError as error:
        await body(send, describe_error(error).encode())


async def path_send_caught(scope, receive, send):
    """Answers with the exception that sending raised."""
    await start(send)
    try:
        await send({"type": "http.response.pathsend", "path": query(scope, "path")})
    except OSError as error:
        await body(send, describe_error(error).encode())


async def path_send_announced(scope, receive, send, status, length):
    """With a length that the test chooses."""
    await start(send, int(status), [(b"content-length", length.encode())])
    await send({"type": "http.response.pathsend", "path": query(scope, "path")})


async def zero_copy_send_pipe(scope, receive, send, offset=None):
    """Answers with the exception that sending a pipe raised."""
    import os

    ends = os.pipe()
    await start(send)
    try:
        message = {"type": "http.response.zerocopysend", "file": ends[0]}
        await send(message if offset is None else message | {"offset": int(offset), "count": 5})
    except OSError as error:
        await body(send, describe_error(error).encode())
    finally:
        for end in ends:
            os.close(end)


async def zero_copy_send(scope, receive, send, offset=None, count=None):
    """A file in two messages around an ordinary part of the body."""
    with open(query(scope, "path"), "rb", buffering=0) as file:
        await start(send)
        await body(send, b"[", True)
        message = {"type": "http.response.zerocopysend", "file": file.fileno(), "more_body": True}
        if offset is not None:
            message |= {"offset": int(offset), "count": int(count)}
        await send(message)
        await body(send, b"]")


app = router(routes_of(globals()))
