"""The present of one run: values, the table of legal moves (`lifecycle`), and questions answered from the values alone.

Belongs here: a field that events change, or a question that needs nothing but the state.
Does not: how events change it (`fold`, the only writer), decisions (`schedule`, `train`, `verdict`), words for people
(`status`), but for the short phrases about one value that briefs say too (`phrases`).
"""
