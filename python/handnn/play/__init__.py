"""The laboratory: `handnn play` shows a network learning, in the browser.

state: everything that the page depends on, as one JSON document. session: a network and its
progress. player: the training thread. frames: the data that the page draws. server: the page and
its requests.
"""
