"""The behaviours of a correct WSGI gateway: one list, asked of every host that serves a WSGI application.

Apart from the other tests because what stands here is run by more than pytest: `test_behaviours.py` asks our server and our
bridge under foreign servers, `make conformance` asks other servers and bridges too. Only the standard library is needed.
"""
