# SPDX-License-Identifier: GPL-2.0
#
# The one entry point. Every verb is one call of scripts/run; `make help` prints
# the comments behind the targets.

RUN := @bash scripts/run

.NOTPARALLEL:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

.PHONY: help
help: ## list the verbs (this)
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24
	@echo
	@sed -n 's/^#= /  /p' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: ## the main job, from nothing to a report: virtio devices at work in the noirq phase of s2idle
	$(RUN) $@

.PHONY: check
check: ## run the tests that fit CI and count the results
	$(RUN) $@

.PHONY: check-full
check-full: ## run every test there is and count the results
	$(RUN) $@

.PHONY: setup
setup: ## install the tools that are missing (Debian 12 and 13), after naming them
	$(RUN) $@

.PHONY: fetch
fetch: ## get the kernel v7.3 source and the guest's busybox into the cache
	$(RUN) $@

.PHONY: tree
tree: ## make the patched kernel tree in the cache
	$(RUN) $@

.PHONY: build
build: ## build the kernel and the selftests (CONFIG= one of configs/list)
	$(RUN) $@

.PHONY: selftests
selftests: ## run the test matrix of a kernel in QEMU (VARIANT= CONFIG= MODE= DEVICES= CYCLES= make it less)
	$(RUN) $@

.PHONY: soak
soak: ## 10,000 sleep cycles of each device variant, or CYCLES=n; goes on where it was stopped
	$(RUN) $@

.PHONY: kunit
kunit: ## run the KUnit suites on UML and on arm64 in QEMU (KUNIT_ARCH=um-kasan, SUITES='virtio_noirq*', JUNIT=file)
	$(RUN) $@

.PHONY: mutants
mutants: ## break the patched code in many small ways: KUnit has to notice each (ONLY='rfc-*')
	$(RUN) $@

.PHONY: patch-check
patch-check: ## check the series as mails: headers, checkpatch, git am and quilt without fuzz
	$(RUN) $@

.PHONY: lint
lint: ## run checkpatch, sparse, coccicheck, kernel-doc, W=1 and the other checkers
	$(RUN) $@

.PHONY: prefix-check
prefix-check: ## build drivers/virtio on each prefix of the series, W=1, also with PM_SLEEP=n and PM=n
	$(RUN) $@

.PHONY: build-matrix
build-matrix: ## build drivers/virtio for other architectures, compilers and configurations
	$(RUN) $@

.PHONY: compat
compat: ## print on which kernels the series works, and what it takes (TREE=dir: whether it applies there)
	$(RUN) $@

.PHONY: htmldocs
htmldocs: ## build the documentation folder as HTML, without a warning
	$(RUN) $@

.PHONY: bisect
bisect: ## run the KUnit suites that concern each prefix of the series, on UML
	$(RUN) $@

.PHONY: coverage
coverage: ## print which lines and branches that the series adds the tests have run
	$(RUN) $@

.PHONY: scmi
scmi: ## clocks, regulators and power domains over virtio in the noirq phase (CASES= CYCLES=)
	$(RUN) $@

.PHONY: bench
bench: ## measure what the noirq phase buys and costs, and compare (STORE=1: keep the figures in the repo)
	$(RUN) $@

.PHONY: timeline
timeline: ## render one sleep cycle with sleepgraph.py, with the series and without
	$(RUN) $@

.PHONY: report
report: ## print the report of the last demo again
	$(RUN) $@

.PHONY: am
am: ## apply the patches to your kernel git tree, signed off by you (TREE=dir)
	$(RUN) $@

.PHONY: send-dry-run
send-dry-run: ## write the mails as b4 would send them, check them, send nothing (TREE=dir KIT=url)
	$(RUN) $@

.PHONY: clean
clean: ## remove what was built; keep the downloads
	$(RUN) $@

.PHONY: distclean
distclean: ## remove the whole cache
	$(RUN) $@

#= SERIES=scmi: kunit, mutants, bisect, prefix-check, patch-check, send-dry-run of the SCMI series.
#= Variables: KERNEL_SRC= an own v7.3 tree, QEMU= an own qemu-system-aarch64, JOBS=n,
#= MODE=icount or smp, DEVICES=1 or 31, VIRTIO_NOIRQ_CACHE= the cache folder (default ~/.cache/virtio-noirq).
