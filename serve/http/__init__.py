"""The service: timelines over HTTP, live sessions, and what an administrator needs to run it."""
