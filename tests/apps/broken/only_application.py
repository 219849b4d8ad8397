"""Names its application `application`, as WSGI users do."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from shapes import answering

application = answering("the application attribute")
