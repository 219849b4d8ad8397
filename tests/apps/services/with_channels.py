"""Django Channels: rooms over a channel layer, with consumers of both kinds."""

import os

import django
from django.conf import settings

LAYER = {"BACKEND": os.environ["CHANNEL_LAYER"]}
if "REDIS_URL" in os.environ:
    LAYER["CONFIG"] = {"hosts": [os.environ["REDIS_URL"]]}
settings.configure(
    DEBUG=False, SECRET_KEY="of a test", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={"default": LAYER},
)
django.setup()

from asgiref.sync import async_to_sync  # noqa: E402
from channels.generic.websocket import (  # noqa: E402
    AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer, JsonWebsocketConsumer, WebsocketConsumer,
)
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


class Chat(AsyncWebsocketConsumer):
    """Says what anybody in the room says to everybody in it."""

    async def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()
        await self.send(text_data="welcome")

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send(self.room, {"type": "said", "text": text_data})

    async def said(self, event):
        await self.send(text_data=event["text"])

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.room, self.channel_name)
        await self.channel_layer.group_send(self.room, {"type": "said", "text": f"somebody left with {code}"})


class SyncChat(WebsocketConsumer):
    """The same in plain functions: each runs on a thread, and all that it sends crosses to the loop."""

    def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["room"]
        async_to_sync(self.channel_layer.group_add)(self.room, self.channel_name)
        self.accept()
        self.send(text_data="welcome")

    def receive(self, text_data=None, bytes_data=None):
        if text_data == "bye":
            return self.close(code=3001, reason="as asked")
        async_to_sync(self.channel_layer.group_send)(self.room, {"type": "said", "text": text_data})

    def said(self, event):
        self.send(text_data=event["text"])

    def disconnect(self, code):
        async_to_sync(self.channel_layer.group_discard)(self.room, self.channel_name)
        async_to_sync(self.channel_layer.group_send)(self.room, {"type": "said", "text": f"somebody left with {code}"})


class Double(AsyncJsonWebsocketConsumer):
    async def receive_json(self, content):
        await self.send_json({"twice": content["number"] * 2})


class SyncDouble(JsonWebsocketConsumer):
    """No channel layer: only send() crosses threads."""

    def receive_json(self, content):
        self.send_json({"twice": content["number"] * 2})


class SyncRefusal(WebsocketConsumer):
    def connect(self):
        self.close()


def announce(request, room, text):
    """A view on a thread sends to the room."""
    async_to_sync(get_channel_layer().group_send)(room, {"type": "said", "text": text})
    return HttpResponse("announced")


async def announce_async(request, room, text):
    await get_channel_layer().group_send(room, {"type": "said", "text": text})
    return HttpResponse("announced")


urlpatterns = [
    path("announce/<room>/<text>", announce),
    path("announce-async/<room>/<text>", announce_async),
]
sockets = [
    path("chat/<room>", Chat.as_asgi()),
    path("sync-chat/<room>", SyncChat.as_asgi()),
    path("double", Double.as_asgi()),
    path("sync-double", SyncDouble.as_asgi()),
    path("sync-refusal", SyncRefusal.as_asgi()),
]
app = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter(sockets)})
