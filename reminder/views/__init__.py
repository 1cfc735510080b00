"""What the console and its interface show: read models, one room each, without HTTP.

Each takes a :class:`reminder.views.look.Look` and gives frozen values.  The
rights of the reader are applied here, so that no page and no interface can show
what its reader may not see.
"""
