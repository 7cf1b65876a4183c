# The Python package's tests and lint, each in a virtual environment of its own under build/.
#
#   make test-python                         with python3          make test-python PYTHON=/path/to/python3.12
#   make test-python PYTEST_ARGS="-k late"   some of them          make lint-python   ruff and mypy --strict

PY_VERSION  = $(shell $(PYTHON) -c 'import sys, sysconfig; d = "-dbg" if sysconfig.get_config_var("Py_DEBUG") else ""; print("%d.%d%s" % (*sys.version_info[:2], d))')
PY_VENV     = build/venv-$(PY_VERSION)
LINT_VENV   = build/venv-lint-$(PY_VERSION)
PYTEST_ARGS ?=
# Files of tests that run at the same time, where pytest-xdist can be had: they wait more than they compute.
PY_JOBS     ?= 3
# Packages that some tests run with; those that cannot be had are left out, and their tests skip.
PY_PACKAGES ?= greenlet sqlalchemy aiosqlite uvloop requests httpx redis pg8000 pymongo paho-mqtt py-spy websockets dnspython pyzmq pyopenssl flask flask-socketio python-socketio[client] websocket-client simple-websocket gunicorn django psycopg[binary] psycopg2-binary grpcio trio
# Those that only tests marked `once` need, and that are large: playwright brings a Node of its own, and takes the system's chromium.
PY_ONCE     ?= playwright
# Those without wheels: built where their libraries are installed (libmariadb-dev).
PY_SOURCES  ?= mysqlclient

# Those that bring an eventlet, or a plugin for pytest, along: in a folder of their own, which only the programs that need it see.
PY_APART    ?= celery[redis] oslo.service nameko gunicorn==25.3.0

.PHONY: test-python test-stdlib test-eventlet-suite lint-python

$(PY_VENV)/ready:
	rm -rf $(PY_VENV)
	$(PYTHON) -m venv $(PY_VENV)
	$(PY_VENV)/bin/python -m pip install -q --disable-pip-version-check pytest
	-$(PY_VENV)/bin/python -m pip install -q --disable-pip-version-check pytest-xdist
	touch $@

$(PY_VENV)/packages: $(PY_VENV)/ready
	-timeout 240 $(PY_VENV)/bin/python -m pip install -q --only-binary=:all: --retries 1 --disable-pip-version-check $(PY_PACKAGES) \
	  || for package in $(PY_PACKAGES); do \
	  timeout 120 $(PY_VENV)/bin/python -m pip install -q --only-binary=:all: --retries 1 --disable-pip-version-check $$package \
	    || echo "cannot install $$package"; done
	-for package in $(PY_SOURCES); do timeout 120 $(PY_VENV)/bin/python -m pip install -q --retries 1 --disable-pip-version-check $$package \
	  2>/dev/null || echo "cannot install $$package"; done
	-[ "$(GREENRT_ONCE)" = no ] || for package in $(PY_ONCE); do \
	  timeout 240 $(PY_VENV)/bin/python -m pip install -q --only-binary=:all: --retries 1 --disable-pip-version-check $$package \
	    || echo "cannot install $$package"; done
	-[ "$(GREENRT_ONCE)" = no ] || for package in $(PY_APART); do \
	  timeout 120 $(PY_VENV)/bin/python -m pip install -q --only-binary=:all: --retries 1 --disable-pip-version-check \
	    --upgrade --target $(PY_VENV)/apart/$${package%%[[=]*} $$package || echo "cannot install $$package"; done
	touch $@

test-python: $(CARGO_LIB).so $(PY_VENV)/packages ## the Python tests; PYTHON=… chooses the interpreter
	cd bindings/python && GREENRT_LIBRARY=$(abspath $(CARGO_LIB).so) GREENRT_APART=$(abspath $(PY_VENV))/apart \
	  $(abspath $(PY_VENV))/bin/python -m pytest -q -p no:cacheprovider \
	  $$($(abspath $(PY_VENV))/bin/python -c 'import xdist; print("-n $(PY_JOBS) --dist loadfile")' 2>/dev/null) $(PYTEST_ARGS)

test-stdlib: $(CARGO_LIB).so $(PY_VENV)/ready ## CPython's own tests of threads and sockets, patched; some minutes
	cd bindings/python && GREENRT_STDLIB=1 GREENRT_LIBRARY=$(abspath $(CARGO_LIB).so) \
	  $(abspath $(PY_VENV))/bin/python -m pytest -q -p no:cacheprovider tests/stdlib

# eventlet's tests, without eventlet. They are fetched, used and not kept; without the network the tests say that they are skipped.
EVENTLET_VERSION ?= 0.41.3
EVENTLET_SUITE    = build/eventlet-suite/eventlet-$(EVENTLET_VERSION)

$(EVENTLET_SUITE): $(PY_VENV)/ready
	-mkdir -p build/eventlet-suite && timeout 120 $(PY_VENV)/bin/python -m pip download -q --disable-pip-version-check --retries 1 --no-deps \
	  --no-binary :all: --dest build/eventlet-suite eventlet==$(EVENTLET_VERSION) \
	  && tar -xzf $@.tar.gz -C build/eventlet-suite --exclude=eventlet-$(EVENTLET_VERSION)/eventlet

test-eventlet-suite: $(CARGO_LIB).so $(PY_VENV)/packages $(EVENTLET_SUITE) ## eventlet's own tests on the drop-in; some minutes, fetches them
	cd bindings/python && GREENRT_EVENTLET_SUITE=$(abspath $(EVENTLET_SUITE)) GREENRT_LIBRARY=$(abspath $(CARGO_LIB).so) \
	  $(abspath $(PY_VENV))/bin/python -m pytest -q -p no:cacheprovider \
	  $$($(abspath $(PY_VENV))/bin/python -c 'import xdist; print("-n $(PY_JOBS)")' 2>/dev/null) tests/eventlet_suite

$(LINT_VENV)/ready:
	rm -rf $(LINT_VENV)
	$(PYTHON) -m venv $(LINT_VENV)
	$(LINT_VENV)/bin/python -m pip install -q --disable-pip-version-check ruff==0.14.5 mypy==1.18.2
	touch $@

lint-python: $(LINT_VENV)/ready
	$(LINT_VENV)/bin/ruff check bindings/python bindings/python-eventlet bindings/gdb bench demo examples/python tools .ci
	$(LINT_VENV)/bin/ruff format --check bindings/python bindings/python-eventlet bindings/gdb bench demo examples/python tools .ci
	cd bindings/python && $(abspath $(LINT_VENV))/bin/mypy
