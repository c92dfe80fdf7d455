"""One page from records: what `hitpredict report` writes. Needs the extra `report`: altair, vl-convert and jinja2."""
