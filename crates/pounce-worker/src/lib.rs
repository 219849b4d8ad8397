//! One worker: the wire side of ASGI on one thread
