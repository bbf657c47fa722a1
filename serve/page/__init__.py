"""The page that ``alliance serve`` serves: seeing, reviewing and teaching.

What is shown and computed lives here; the addresses are :mod:`alliance.serve.http.page_routes`.
"""
