"""The gateway: any client, any strategy, a true bill. `app.app(settings)` is the whole server as one ASGI application."""
