# Small verbs; `just --list` shows them. Everything happens in .venv.

# Make the virtual environment with everything development needs.
setup:
    python3 -m venv .venv && .venv/bin/pip install -c constraints.txt -e '.[dev]'

# The fast tests.
test *arguments:
    .venv/bin/pytest {{arguments}}

# Lint, format, types, documentation drift.
check:
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
    .venv/bin/python docs/update.py --check

# Rewrite what can be rewritten by machine.
fix:
    .venv/bin/ruff check --fix .
    .venv/bin/ruff format .
    .venv/bin/python docs/update.py

# The fast tests against the newest releases of everything, in an environment of its own.
newest *arguments:
    python3 -m venv --clear .venv-newest && .venv-newest/bin/pip install -e '.[dev]'
    .venv-newest/bin/pytest {{arguments}}

# Write the newest releases, for all platforms and Pythons, into constraints.txt.
lock:
    .venv/bin/uv pip compile --universal --python-version 3.11 --fork-strategy fewest --all-extras --upgrade \
      --no-annotate --custom-compile-command 'just lock' --quiet --output-file constraints.txt pyproject.toml

# Rebuild the bundled model from a folder with features.csv.gz and tracks.csv.gz.
model table:
    .venv/bin/python examples/build_bundled_model.py --table {{table}}

# Freeze the answers in tests/golden anew, all or those named; then read `git diff`.
golden *subjects:
    .venv/bin/python -m tests.golden {{subjects}}

# Which lines the fast tests reach, in all processes that they start.
coverage:
    mkdir -p .coverage
    .venv/bin/coverage run -m pytest; .venv/bin/coverage combine -q; .venv/bin/coverage report --skip-covered

# Measure everything again, which takes hours on an idle machine, and write benchmarks/README.md.
benchmarks:
    .venv/bin/python benchmarks/run.py
    for script in limits cost gpu soak; do .venv/bin/python benchmarks/$script.py; done
