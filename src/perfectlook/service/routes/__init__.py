"""The endpoints: a group of them in each file, which has a `router`; `app.py` names them all."""
