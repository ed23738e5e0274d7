"""ASGI 2 applications, and ASGI 3 ones that look a little like them.

The former are called with the scope alone, and what they return with `receive` and `send`.
"""

import functools

from asgiref.compatibility import guarantee_single_callable


async def respond(send, text):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})


class Consumer:
    """Made for each connection, as the consumers of Channels 2."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        if self.scope["type"] != "http":
            raise ValueError(f"no {self.scope['type']} here")
        await respond(send, f"a consumer at {self.scope['path']}")


def two_functions(scope):
    async def application(receive, send):
        await respond(send, f"a function at {scope['path']}")

    return application


class Router:
    """An object that gives the application for a scope, as the routers of Channels 2."""

    def __call__(self, scope):
        return Consumer(scope)


router = Router()
partial_consumer = functools.partial(Consumer)
wrapped_consumer = guarantee_single_callable(Consumer)
wrapped_function = guarantee_single_callable(two_functions)
wrapped_router = guarantee_single_callable(router)


# ASGI 3


class Instance:
    async def __call__(self, scope, receive, send):
        await respond(send, "an instance")


class AwaitedInstance:
    """A class of which each connection makes an instance that is awaited."""

    def __init__(self, scope, receive, send):
        self.send = send

    def __await__(self):
        return respond(self.send, "an awaited instance").__await__()


class WithMethod:
    async def application(self, scope, receive, send):
        await respond(send, "a method")

    @classmethod
    async def of_the_class(cls, scope, receive, send):
        await respond(send, "a class method")

    @staticmethod
    async def static(scope, receive, send):
        await respond(send, "a static method")


async def configured(name, scope, receive, send):
    await respond(send, name)


async def with_more(scope, receive, send, more=None):
    await respond(send, "a default")


def takes_anything(*arguments, **options):
    return configured("anything", *arguments, **options)


def plain(scope, receive, send):
    return configured("plain", scope, receive, send)


@functools.wraps(two_functions)
def named_as_legacy(scope, receive, send):
    return configured("wrapper", scope, receive, send)


instance = Instance()
partial = functools.partial(configured, "a partial")
partial_of_partial = functools.partial(functools.partial(configured, "twice"))
partial_of_instance = functools.partial(instance)
method = WithMethod().application
class_method = WithMethod.of_the_class
static_method = WithMethod.static
no_name = lambda scope, receive, send: configured("a lambda", scope, receive, send)  # noqa: E731
