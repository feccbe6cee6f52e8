"""The web door: WebSocket, REST and the page, on the same sessions as TCP."""
