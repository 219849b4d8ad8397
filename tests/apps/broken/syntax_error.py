"""Cannot be compiled."""

def app(scope, receive, send:
    pass
