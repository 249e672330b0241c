"""The small shared package of *Language Models, Measured*.

Four floors; a module imports only from lower floors, and importing this package costs nothing.

======================  =======================================================================
ground floor            ``errors`` · ``data`` · ``tokenizers`` · ``ngram``: text, ids, counts; no Keras
models                  ``layers`` · ``rnn`` · ``gpt``: ``keras.ops`` only (parts 2 and 3 of the plan)
using them              ``evaluation`` · ``compression``: one protocol, ``score(ids) -> nats``, joins all models
the work around them    ``experiments`` · ``plots`` · ``exercises`` · ``site`` · ``cli``
======================  =======================================================================
"""

__version__ = "0.1.0"
