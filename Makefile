# SPDX-License-Identifier: GPL-2.0
#
# The one entry point: every verb of configs/verbs is one call of scripts/run.

.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VERBS := $(shell bash scripts/run --verbs)

.PHONY: help $(VERBS)
help $(VERBS):
	@bash scripts/run $@
