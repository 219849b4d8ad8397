"""Imports a module that does not exist."""

import a_module_that_is_not_there

app = a_module_that_is_not_there.app
