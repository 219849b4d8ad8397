"""Django in one file: synchronous and asynchronous views, streams, uploads and cookies."""

import asyncio
import contextvars

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    DEBUG=False, SECRET_KEY="of a test", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"], APPEND_SLASH=False,
)
django.setup()
LEAK = contextvars.ContextVar("LEAK", default="clean")


async def json(request):
    return JsonResponse({"hello": request.GET.get("name")})


async def echo(request):
    import json

    return JsonResponse(json.loads(request.body))


def stream(request):
    return StreamingHttpResponse((f"line {number}\n" for number in range(50)), content_type="text/plain")


async def async_stream(request):
    async def words():
        for word in ("one", "two", "three"):
            await asyncio.sleep(0)
            yield word + " "

    return StreamingHttpResponse(words(), content_type="text/plain")


def sync(request):
    return JsonResponse({"value": "from a function"})


def upload(request):
    file = request.FILES["file"]
    return JsonResponse({"name": file.name, "size": file.size, "field": request.POST["field"]})


def fails(request):
    raise RuntimeError("the view failed")


async def cookie(request):
    response = HttpResponse("with a cookie")
    response.set_cookie("seen", "yes")
    return response


def context(request):
    before = LEAK.get()
    LEAK.set("leaked")
    return HttpResponse(before)


urlpatterns = [
    path("json", json), path("echo", echo), path("stream", stream), path("async-stream", async_stream),
    path("sync", sync), path("upload", upload), path("fails", fails), path("cookie", cookie),
    path("context", context),
]
application = get_asgi_application()
