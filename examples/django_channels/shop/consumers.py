"""The WebSocket side: says how much is in stock, as often as asked."""

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from shop.models import Product


class StockConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.number = self.scope["url_route"]["kwargs"]["number"]
        await self.accept()

    async def receive_json(self, content):
        product = await database_sync_to_async(Product.objects.get)(id=self.number)
        await self.send_json({"name": product.name, "stock": product.stock})
