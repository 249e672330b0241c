"""The small shared package of *Language Models, Measured*.

Floors, from the ground up; a module imports only from its own floor and lower ones, never in a circle. Importing this
package costs nothing and sets nothing.

======================  =======================================================================
ground floor            ``errors`` · ``files`` · ``sources`` · ``data`` · ``tensorfiles`` ·
                        ``tokenizers`` · ``ngram`` · ``items`` · ``tasks`` · ``sandbox`` · ``scaling`` ·
                        ``verse``: texts, ids, counts, test sets; no Keras
models                  ``backends`` · ``writing`` · ``neural`` · ``recurrences`` · ``rnn`` · ``layers`` · ``gpt`` ·
                        ``families`` · ``costs``: ``keras.ops`` only
using models            ``evaluation`` · ``compression`` · ``generation`` · ``training`` · ``distributed`` ·
                        ``callbacks`` · ``checkpoints`` · ``presets`` · ``pretrained`` · ``lora`` ·
                        ``quantization``: one protocol, ``score(ids) -> nats``, joins them
the work around them    ``experiments`` · ``sweeps`` · ``intervals`` · ``claims`` · ``verdicts`` ·
                        ``statements`` · ``claimpage`` · ``chooser`` · ``ladder`` · ``plots`` ·
                        ``exercises`` · ``equations`` · ``execution`` · ``export`` · ``onnxexport`` ·
                        ``playground`` · ``playpage`` · ``typography`` · ``i18n`` · ``phrases`` ·
                        ``editions`` · ``outputs`` · ``apipage`` · ``staging`` · ``policy`` · ``site`` ·
                        ``contents`` · ``browser`` · ``pdf`` · ``commands`` · ``cli``
======================  =======================================================================
"""

__version__ = "0.1.0"
