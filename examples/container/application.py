"""An ASGI application that counts its visits in redis: GET / counts one, GET /healthz tells whether redis answers."""

import json
import os

from redis.asyncio import Redis
from redis.exceptions import RedisError

redis = Redis.from_url(os.environ["REDIS_URL"], socket_timeout=5)


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        status, body = await respond(scope["path"])
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def respond(path):
    try:
        if path == "/":
            return 200, json.dumps({"visits": await redis.incr("visits")}).encode()
        if path == "/healthz":
            await redis.ping()
            return 200, b'{"redis": "ok"}'
    except RedisError as error:
        return 503, json.dumps({"redis": str(error)}).encode()
    return 404, b'{"error": "not found"}'


async def lifespan(receive, send):
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        else:
            # redis is still there: what requires a service is stopped before it.
            print("application: last count is", (await redis.get("visits") or b"0").decode(), flush=True)
            await redis.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
