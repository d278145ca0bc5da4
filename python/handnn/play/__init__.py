"""The laboratory: `handnn play` shows a network learning, in the browser.

state: everything that a picture depends on, as one JSON document. session: a network and how far it
is trained. player: the thread that trains. frames: what the page draws. server: the page and its
requests.
"""
