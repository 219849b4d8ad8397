"""Django: StreamingHttpResponse over asynchronous iterators."""

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import JsonResponse, StreamingHttpResponse
from django.urls import path

from leaving.streams import STREAMS, live

settings.configure(DEBUG=False, SECRET_KEY="of a test", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
django.setup()


async def stream(request, name):
    return StreamingHttpResponse(STREAMS[name](), content_type="text/plain")


async def alive(request):
    return JsonResponse(live())


urlpatterns = [path("live", alive), path("<name>", stream)]
app = get_asgi_application()
