# Everything a developer runs, each in one word. Needs a Rust toolchain, CPython 3.10 or later, and make.
#   make PYTHON=/path/to/python3.12 VENV=.venv-3.12 …   uses another interpreter, beside the first

PYTHON ?= python3
VENV ?= .venv
PEERS ?= .venv-conformance
DOCS_VENV ?= .venv-docs
GUIDES_VENV ?= .venv-guides
PYTEST_ARGUMENTS ?=
# Most tests wait for a server or a clock, so more of them than there are processors run side by side.
TEST_PROCESSES ?= 4
BENCH_ARGUMENTS ?=
MATRIX_ARGUMENTS ?=
# Where the images of manylinux and musllinux are: a registry and its folder.
PYPA_IMAGES ?= pypa
TRIALS ?=
SOAK_MINUTES ?= 30
MINUTES ?= 1
HOST_TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_FLAGS := --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
	-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
FUZZ_ARGUMENTS ?=
FUZZ_TARGETS ?= $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
SANITIZE_TESTS ?= tests/wsgi tests/asgi tests/websocket tests/http2 tests/wire
SANITIZED := $(CURDIR)/target/sanitize
FAULTS_PATH := $(CURDIR)/faults:$(CURDIR)/tests/support:$(CURDIR)/conformance:$(CURDIR)/python
HOST ?= 127.0.0.1
PORT ?= 8000

BIN := $(abspath $(VENV))/bin
# maturin builds for the virtual environment that this names.
export VIRTUAL_ENV := $(abspath $(VENV))
# So that maturin and cargo configure pyo3 for the same interpreter.
export PYO3_PYTHON := $(BIN)/python
# Tests start thousands of interpreters. Without bytecode files, each of them compiles the whole package again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help tools install build docs guides test test-rust test-loom test-python lint lint-rust lint-python format demo demo-tls bench bench-with bench-router conformance test-matrix sdist wheel-in-container check-package check-version check-dist clean faults soak test-faults fuzz sanitize deny

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

tools:
	@fail() { printf 'error: %s; hint: %s\n' "$$1" "$$2" >&2; exit 1; }; \
	command -v cargo >/dev/null 2>&1 || fail 'cargo is missing' 'install a stable Rust toolchain (1.90 or later) and see that cargo is on the PATH'; \
	command -v '$(PYTHON)' >/dev/null 2>&1 || fail '$(PYTHON) is missing' 'install CPython 3.10 or later, or name it: make PYTHON=/path/to/python3'; \
	'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 || fail '$(PYTHON) is older than Python 3.10 or does not run' 'name a newer one: make PYTHON=/path/to/python3'; \
	'$(PYTHON)' -c 'import venv, ensurepip' >/dev/null 2>&1 || fail '$(PYTHON) has no venv module' 'install it (Debian: apt-get install python3-venv), or name another: make PYTHON=/path/to/python3'

$(VENV)/.maturin: | tools
	@test -x $(BIN)/python || '$(PYTHON)' -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'maturin>=1.9.4,<2'
	@touch $@

install: $(VENV)/.maturin ## create .venv with the package (a release build) and all test dependencies
	$(BIN)/maturin develop --release --extras test,deploy,lint

build: $(VENV)/.maturin ## build a wheel in dist/
	$(BIN)/maturin build --release --out dist

sdist: $(VENV)/.maturin ## build a source distribution in dist/
	$(BIN)/maturin sdist --out dist

# In the image whose C library is as old as the tag promises; maturin checks that (as auditwheel does) and refuses else.
wheel-in-container: ## build and check a wheel in the container of LIBC, MACHINE and PYTHON_VERSION
	docker run --rm --volume '$(CURDIR)':/source --workdir /source --env CARGO_TARGET_DIR=/tmp/target \
	$(PYPA_IMAGES)/$(LIBC)_$(MACHINE) packaging/in_container.sh $(PYTHON_VERSION) $(LIBC)

check-package: ## install PACKAGE (a wheel, or a source distribution) somewhere else, and serve with it
	'$(PYTHON)' packaging/check.py '$(PACKAGE)'

# The version stands in Cargo.toml alone; the package, the extension and the crate take it from there.
check-version: ## see that TAG (if there is one) and the changelog name the version of Cargo.toml
	'$(PYTHON)' packaging/check_version.py $(TAG)

check-dist: $(VENV)/.maturin ## see that what is in dist/ can be uploaded
	$(BIN)/python -m pip install --quiet --disable-pip-version-check twine
	$(BIN)/python -m twine check --strict dist/*

# The site needs neither the package nor Rust, so it has an environment of its own.
docs: ## build the documentation as a site in site/
	@test -x $(DOCS_VENV)/bin/python || '$(PYTHON)' -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r docs/tools/requirements.txt
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict --quiet
	@echo 'built the site; see it with: $(PYTHON) -m http.server --directory site'

# httpbin needs an old greenlet, so the published applications have an environment of their own.
guides: install ## run the guides that move published applications (docs/guides)
	@test -x $(GUIDES_VENV)/bin/python || '$(PYTHON)' -m venv $(GUIDES_VENV)
	$(GUIDES_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r docs/tools/guides.txt
	PYTHONPATH='$(CURDIR)/python:$(CURDIR)/tests/support' $(GUIDES_VENV)/bin/python -m pytest -c /dev/null --rootdir . --noconftest \
	--timeout 300 tests/docs/test_guides.py

test: install test-rust test-python ## run cargo test, then pytest

# A test binary links and loads libpython, which an extension module does not.
test-rust: $(VENV)/.maturin
	@$(BIN)/python -c "import sys, sysconfig as s, pathlib as p; d = p.Path(s.get_config_var('LIBDIR') or '.'); sys.exit(not any(d.glob('libpython3*.%d*' % sys.version_info[1])))" \
	|| { echo 'error: there is no libpython for $(PYTHON) to link with; hint: install it (Debian: apt-get install python3-dev)' >&2; exit 1; }
	LD_LIBRARY_PATH="$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))")$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" \
	cargo test --release --workspace --quiet

test-loom: ## run the tests of what threads share in every order of the threads
	RUSTFLAGS='--cfg loom' cargo test --manifest-path loom/Cargo.toml --target-dir target/loom --release --quiet

# Each target has its own corpus, which begins with fuzz/kept/ and grows from run to run; what is found lies in fuzz/artifacts/. The
# flags are those of cargo-fuzz without a sanitizer, which would need a nightly compiler. They are not for programs that the build
# runs, thus --target.
fuzz: $(VENV)/.maturin ## run each fuzz target for MINUTES= (1); FUZZ_TARGETS= names some. Needs a C++ compiler
	@command -v c++ >/dev/null 2>&1 || { echo 'error: there is no C++ compiler, which libFuzzer needs; hint: install it (Debian: apt-get install g++)' >&2; exit 1; }
	RUSTFLAGS='$(FUZZ_FLAGS)' cargo build --manifest-path fuzz/Cargo.toml --release --target $(HOST_TARGET) --target-dir fuzz/target --quiet
	@LD_LIBRARY_PATH="$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))")$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" \
	$(BIN)/python fuzz/run.py fuzz/target/$(HOST_TARGET)/release $(FUZZ_TARGETS) --seconds $$(($(MINUTES) * 60)) $(FUZZ_ARGUMENTS)

# RUSTC_BOOTSTRAP lets a stable compiler take the flag. The extension lies in a copy of the package, so the installed one stays as
# it is. Tests that measure memory or time fail here, because freed blocks are kept and everything is slower: only reports count.
# curl and Chromium hang when libasan is loaded into them.
sanitize: install ## run cargo test and SANITIZE_TESTS= with AddressSanitizer. Needs gcc and its libasan
	@test -e "$$(gcc -print-file-name=libasan.so)" || { echo 'error: there is no libasan; hint: install gcc (Debian: apt-get install gcc)' >&2; exit 1; }
	rm -rf $(SANITIZED)/python $(SANITIZED)/reports && mkdir -p $(SANITIZED)/python $(SANITIZED)/reports
	export RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Zsanitizer=address --cfg system_allocator -Cforce-frame-pointers=yes' CARGO_TARGET_DIR=$(SANITIZED); \
	export ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc; \
	export LD_LIBRARY_PATH="$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))")$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}"; \
	cargo test --workspace --target $(HOST_TARGET) --quiet && cargo build --lib --target $(HOST_TARGET) --quiet
	cp -r python/rsgi $(SANITIZED)/python/ && rm -f $(SANITIZED)/python/rsgi/*.so
	cp $(SANITIZED)/$(HOST_TARGET)/debug/lib_rsgi.so $(SANITIZED)/python/rsgi/_rsgi.so
	export LD_PRELOAD="$$(gcc -print-file-name=libasan.so)" PYTHONPATH=$(SANITIZED)/python PYTHONMALLOC=malloc; \
	export ASAN_OPTIONS=log_path=$(SANITIZED)/reports/report:detect_leaks=0; \
	$(BIN)/python -c "import rsgi._rsgi as extension; assert extension.__file__.startswith('$(SANITIZED)'), extension.__file__" || exit 2; \
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal -k 'not curl and not browser' $(SANITIZE_TESTS) $(PYTEST_ARGUMENTS) || test $$? = 1
	@if grep -rl 'ERROR: AddressSanitizer' $(SANITIZED)/reports; then echo 'error: AddressSanitizer found something; the files above say what' >&2; exit 1; fi
	@echo 'AddressSanitizer found nothing'

deny: ## check the licences and the sources of all libraries (deny.toml). Needs cargo-deny
	@cargo deny --version >/dev/null 2>&1 || { echo 'error: cargo-deny is missing; hint: cargo install cargo-deny --locked' >&2; exit 1; }
	for manifest in Cargo.toml fuzz/Cargo.toml loom/Cargo.toml; do \
	cargo deny --manifest-path $$manifest --config deny.toml check --hide-inclusion-graph licenses bans sources || exit 1; \
	done

test-python:
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal $(PYTEST_ARGUMENTS)

lint: lint-rust lint-python ## run rustfmt, clippy, ruff, mypy, stubtest

lint-rust: $(VENV)/.maturin
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

lint-python: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/stubtest rsgi._rsgi

format: install ## format Rust and Python
	cargo fmt --all
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

demo: $(VENV)/.maturin ## serve two applications, old and new, on http://127.0.0.1:8000
	$(BIN)/maturin develop --release --extras demo
	@printf '\nThe old application is Flask, the new one FastAPI; both answer on one port. Try:\n\n'
	@printf '  open in a browser                          http://$(HOST):$(PORT)/\n'
	@printf '  the old application (no such route in new)  curl http://$(HOST):$(PORT)/about\n'
	@printf '  the new application (it owns this one)      curl http://$(HOST):$(PORT)/users/1\n'
	@printf '  same path, other method: still old          curl -X DELETE http://$(HOST):$(PORT)/users/1\n'
	@printf '  WebSocket, always new                       ws://$(HOST):$(PORT)/ws/chat\n\n'
	@cd examples/flask_and_fastapi && exec $(BIN)/rsgi serve --wsgi old:app --asgi new:app --host $(HOST) --port $(PORT)

demo-tls: $(VENV)/.maturin ## the same over HTTPS, with a new certificate
	@command -v openssl >/dev/null 2>&1 || { echo 'error: openssl is missing; hint: install it (Debian: apt-get install openssl)' >&2; exit 1; }
	$(BIN)/maturin develop --release --extras demo
	@mkdir -p target/demo-tls
	@openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 30 -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout target/demo-tls/key.pem -out target/demo-tls/certificate.pem 2>/dev/null
	@printf '\nNobody vouches for the certificate: a browser warns, and curl wants to be told. Try:\n\n'
	@printf '  HTTP/2, the new application  curl --cacert target/demo-tls/certificate.pem https://localhost:$(PORT)/users/1\n'
	@printf '  HTTP/1.1, the old one        curl --cacert target/demo-tls/certificate.pem --http1.1 https://localhost:$(PORT)/about\n\n'
	@cd examples/flask_and_fastapi && exec $(BIN)/rsgi serve --wsgi old:app --asgi new:app --host $(HOST) --port $(PORT) --tls-cert $(CURDIR)/target/demo-tls/certificate.pem --tls-key $(CURDIR)/target/demo-tls/key.pem

# The newest CPython that is here, unless PYTHON= names one; the build and the virtual environment are its own.
bench: ## compare with other servers on the newest CPython that is here (or PYTHON=); writes benches/RESULTS.md and benches/results.svg
	@python='$(if $(filter file,$(origin PYTHON)),,$(PYTHON))'; \
	if [ -z "$$python" ]; then python="$$('$(PYTHON)' benches/newest_python.py)" || exit 1; fi; \
	version="$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" || exit 1; \
	$(MAKE) --no-print-directory bench-with PYTHON="$$python" VENV=".venv-bench-$$version"

bench-with: $(VENV)/.maturin
	$(BIN)/maturin develop --release --target-dir target/bench
	$(BIN)/python benches/run.py --output benches/RESULTS.md --plot benches/results.svg $(BENCH_ARGUMENTS)

bench-router: $(VENV)/.maturin ## measure the router with 1 to 1,000 routes
	LD_LIBRARY_PATH="$$($(BIN)/python -c "import sysconfig; print(sysconfig.get_config_var('LIBDIR'))")$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}" \
	cargo bench --bench router

conformance: install ## test other servers and bridges too; writes docs/conformance.md
	@test -x $(PEERS)/bin/python || '$(PYTHON)' -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade -r conformance/peers.txt
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check uwsgi || echo 'uWSGI cannot be built here; it is left out'
	PYTHONPATH='$(CURDIR)/tests/support:$(CURDIR)/python' $(PEERS)/bin/python conformance docs/conformance.md

# On the interpreter of PYTHON=; some frameworks want a newer one than others.
test-matrix: install ## run every framework under rsgi and its usual server, and compare; writes docs/frameworks.md
	PYTHONPATH='$(CURDIR)/tests/support:$(CURDIR)/conformance:$(CURDIR)' $(BIN)/python -m matrix docs/frameworks.md $(MATRIX_ARGUMENTS)

# The trials need nginx, haproxy and the other servers of the extra `test`; ends and exhaustion are best run as root.
faults: install ## put this server and others through faults (TRIALS= names some); rewrites docs/reliability.md
	PYTHONPATH='$(FAULTS_PATH)' $(BIN)/python faults $(TRIALS) --page docs/reliability.md

soak: install ## a mixed load for SOAK_MINUTES= (30), with restarts; rewrites its table in docs/reliability.md
	SOAK_MINUTES='$(SOAK_MINUTES)' PYTHONPATH='$(FAULTS_PATH)' $(BIN)/python faults soak --page docs/reliability.md

test-faults: install ## the short form of all trials; `make test` runs those that need no load
	RSGI_TEST_FAULTS=1 $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal tests/faults $(PYTEST_ARGUMENTS)

clean: ## remove everything that was built and installed here
	rm -rf $(VENV) .venv-matrix .venv-3.* .venv-bench-3.* benches/.venv-3.* $(PEERS) $(DOCS_VENV) $(GUIDES_VENV) site target dist python/rsgi/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
