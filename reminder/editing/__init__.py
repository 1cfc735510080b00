"""Changing the files of plan, calendar and templates so that the plan in force cannot be broken.

What is to be saved passes the same gate as a plan that is edited by hand; a file
is exchanged as a whole or not at all, never over somebody else's change; and
every state that ever stood there can be gone back to.
"""
