"""Public data: one module per source, over a shared downloader, cache and manifest. Needs the extra `fetch`."""
