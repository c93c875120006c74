# Loam's commands for people. Everything runs in .venv, made on first use from requirements.lock.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
SNAKEMAKE := $(VENV)/bin/snakemake
DEMO := $(SNAKEMAKE) --configfile config/demo.yaml

.PHONY: help setup demo test test-slow test-slurm test-container check install-profile figures docs reference lock clean

help:           ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY) ## make .venv with the locked dependencies

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; run make PYTHON=python3.11"; exit 1; }
	@# A Python without ensurepip (Debian's without python3-venv) can still borrow its own pip.
	@$(PYTHON) -m venv $(VENV) 2> /dev/null \
		|| { $(PYTHON) -m venv --without-pip $(VENV) && $(PYTHON) -m pip --python $(VENV)/bin/python install --quiet pip; } \
		|| { echo "$(PYTHON) can make no environment; on Debian: apt install python3-venv"; exit 1; }
	@echo "Installing the locked packages into $(VENV); this takes some minutes."
	$(VENV)/bin/python -m pip install --quiet --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

demo: $(READY)  ## run the embedded scene into results/demo
	@$(DEMO)
	@if [ -n "$$(find results/demo/figures results/demo/evaluation results/demo/maps -type f -newer results/demo/report.html 2>&1)" ]; then \
		rm -f results/demo/report.html; $(DEMO) --report results/demo/report.html; fi
	@echo
	@echo "The demo is complete:"
	@echo "  maps     results/demo/maps/*.tif (soil moisture, uncertainty, flags; open them in QGIS)"
	@echo "  scores   results/demo/evaluation/scores.parquet"
	@echo "  report   results/demo/report.html (open it in a browser)"

test: $(READY)  ## run all tests
	$(VENV)/bin/python -m pytest

test-slow: $(READY) ## run the tests that take minutes each: steps killed at work
	$(VENV)/bin/python -m pytest -m slow

test-container: $(READY) ## build the image of envs/Containerfile and run the small scene in it (podman, or LOAM_CONTAINER_TOOL=buildah)
	$(VENV)/bin/python tests/run_in_container.py

test-slurm: $(READY) ## start a real Slurm on this machine (root on Debian), run the workflow through it, stop it again
	LOAM_TEST_SLURM=1 $(VENV)/bin/python -m pytest tests/slurm

check: $(READY) ## lint and type-check, as pre-commit does
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/snakefmt --check Snakefile workflow
	$(VENV)/bin/mypy
	$(VENV)/bin/codespell

install-profile: ## put profiles/slurm where a bare `snakemake --profile slurm` finds it
	@to="$${XDG_CONFIG_HOME:-$$HOME/.config}/snakemake/slurm"; mkdir -p "$$to"; \
	if [ -e "$$to/config.yaml" ] && ! cmp -s profiles/slurm/config.yaml "$$to/config.yaml"; then \
		cp "$$to/config.yaml" "$$to/config.yaml.old"; echo "kept what was there as $$to/config.yaml.old"; fi; \
	cp profiles/slurm/config.yaml "$$to/" && echo "set what is marked SITE in $$to/config.yaml"

figures: demo   ## draw docs/dag.svg and docs/rulegraph.svg (needs graphviz)
	@# Of a finished run: before, what follows find_scenes is not known.
	$(DEMO) --dag | dot -Tsvg > docs/dag.svg
	$(DEMO) --rulegraph | dot -Tsvg > docs/rulegraph.svg

docs: $(READY)  ## build the documentation into site/, and fail on any warning
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict --quiet

reference: $(READY) ## write config/schema.json, docs/settings.md and docs/commands.md, after a change in settings, steps or rules
	$(VENV)/bin/python -m loam.config.reference
	$(VENV)/bin/python -m loam.runtime.reference

lock: $(READY)  ## write requirements.lock from .venv, after a change in pyproject.toml
	$(VENV)/bin/python -m pip install --quiet --editable '.[dev]'
	$(VENV)/bin/python -m pip freeze --all --exclude pip --exclude-editable | sed -E 's/\+cpu$$//' > requirements.lock
	touch $(READY)

clean:          ## remove what runs have made; .venv stays
	rm -rf results .snakemake
	git clean -fdXq resources
