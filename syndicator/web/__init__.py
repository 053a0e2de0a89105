"""The public doors: feeds, the newsroom's pages, the media list, health.

`create_app` builds the ASGI application, `serve` runs it. No door has logic of its own: it asks the
store or a flow. The only room that knows Starlette and uvicorn.
"""
