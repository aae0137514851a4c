# Two commands matter: `make run` and `make test`. Both set up .venv first, where needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DATA ?= ../shared/data
SAMPLE := DDIM 为什么比 DDPM 快？
# llama.cpp is compiled at the first installation: use every core.
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

.PHONY: run test check format install train bench clean

run: install
	@$(BIN)/python -m compileall -q src/notesqa
	@$(BIN)/notesqa --home . index
	@if [ -t 0 ] && [ -t 1 ]; then \
		$(BIN)/notesqa --home .; \
	else \
		echo; echo "$(SAMPLE)"; \
		$(BIN)/notesqa --home . ask --no-llm "$(SAMPLE)" && \
		echo && \
		echo "Go on with:  $(BIN)/notesqa ask \"…\"   or, in a terminal:  $(BIN)/notesqa"; \
	fi

test: install
	@$(BIN)/python -m pytest

check: install
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: install
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "notesqa needs Python 3.11 or later: make PYTHON=python3.11 run" >&2; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (the first time compiles llama.cpp: about 10 minutes on two cores) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[llm,pictures,serve,dev]'
	@# As pip compiles what it does not leave in place: else each start may compile it anew.
	@$(BIN)/python -m compileall -q src/notesqa
	@touch $@

# DIR of the data: train/, terms.jsonl (see training/README.md).
train: install
	@$(BIN)/python -m training.train --data $(DATA) --out src/notesqa/embedding/model

bench: install
	@$(BIN)/python -m benchmarks

clean:
	rm -rf index/catalog.db* index/lexical index/vectors .pytest_cache .mypy_cache .ruff_cache
