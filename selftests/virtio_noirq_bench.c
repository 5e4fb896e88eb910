// SPDX-License-Identifier: GPL-2.0
/*
 * Measure what the noirq phase of system sleep buys virtio devices, and what it
 * costs, in real s2idle cycles: the figures of test_modules/virtio_bench.ko and
 * test_modules/virtio_noirq_bench.ko, printed as "# bench measure=... name=...".
 * Not run by run_kselftest.sh. Needs virtio-blk devices of QEMU with the serial
 * number virtio-noirq-bench; under -icount the figures are exact.
 *
 * Environment:
 * VIRTIO_NOIRQ_BENCH	what to measure, separated by commas (default: all that
 *			is in the table at the end of this file)
 * VIRTIO_NOIRQ_CYCLES	sleep cycles for each figure (default 5)
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "kselftest.h"
#include "virtio_noirq.h"

#define DEFAULT_CYCLES	5
#define FIGURES		"/sys/kernel/debug/" BENCH "/figures"
#define RINGS		"/sys/kernel/debug/" BENCH "/rings"
#define TRACEFS		"/sys/kernel/tracing/"
#define SIBLING_US	10000
#define MAX_QUEUES	64
#define MAX_MAPPINGS	100000

static struct test_env env;

/* The paths to compare: with the noirq phase, and as drivers do without. */
static const char *const paths[] = { "noirq", "normal" };

static int load_bench(const char *path, const char *params)
{
	bool noirq = !strcmp(path, "noirq");
	char text[128];

	unload_bench();
	snprintf(text, sizeof(text), "normal=%d %s", !noirq, params);
	return load_module(BENCH, text) ?:
	       noirq ? load_module(NOIRQ_BENCH, "") : 0;
}

static bool sleep_once(void)
{
	struct sleep_stats before = read_sleep_stats();
	char moved[256];

	if (arm_wakeup(env.rtc, rtc_now(env.rtc) + SLEEP_SEC) ||
	    write_file("/sys/power/state", "freeze") ||
	    disarm_wakeup(env.rtc))
		return false;

	moved_counters(&before, moved, sizeof(moved));
	return !strcmp(moved, "success") && !count_log_complaints(env.log, NULL);
}

/* The kernel's lines, each with what it is about. */
static bool print_lines(const char *about, const char *file)
{
	char text[4096], *line, *rest = text;

	if (read_file(file, text, sizeof(text)))
		return false;
	while ((line = strsep(&rest, "\n")) && *line)
		ksft_print_msg("bench %s %s\n", about, line);
	return true;
}

/* Sleeps so often with these parameters, and prints the figures of each cycle. */
static bool measure_cycles(const char *measure, const char *path,
			   const char *params, unsigned int cycles)
{
	char about[128];
	unsigned int i;
	bool good;

	good = !load_bench(path, params);
	for (i = 0; i < cycles && good; i++) {
		snprintf(about, sizeof(about), "measure=%s path=%s cycle=%u",
			 measure, path, i);
		good = sleep_once() && print_lines(about, FIGURES);
	}
	unload_bench();
	return good;
}

/* When the devices answer, beside a sibling that takes time and without. */
static bool measure_readiness(void)
{
	char params[64], name[32];
	unsigned int i, sibling;
	bool good = true;

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		for (sibling = 0; sibling <= SIBLING_US; sibling += SIBLING_US) {
			snprintf(params, sizeof(params), "sibling_us=%u", sibling);
			snprintf(name, sizeof(name), "readiness sibling_us=%u",
				 sibling);
			good &= measure_cycles(name, paths[i], params, env.cycles);
		}
	}
	return good;
}

/* When a device behind an IOMMU answers, by the number of pages that are mapped. */
static bool measure_mappings(void)
{
	char params[64], name[32];
	unsigned int mappings;
	bool good = true;

	for (mappings = 1; mappings <= MAX_MAPPINGS; mappings *= 10) {
		snprintf(params, sizeof(params), "mappings=%u", mappings);
		snprintf(name, sizeof(name), "mappings mappings=%u", mappings);
		good &= measure_cycles(name, "noirq", params, 2);
	}
	return good;
}

/* What a device costs, by the number of its queues. */
static bool measure_queues(void)
{
	unsigned int i, queues;
	bool good = true;
	char params[64];

	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		for (queues = 1; queues <= MAX_QUEUES; queues *= 2) {
			snprintf(params, sizeof(params),
				 "queues=%u request=0 callbacks=1", queues);
			good &= measure_cycles("queues", paths[i], params,
					       env.cycles);
		}
	}
	return good;
}

/* What is allocated in the PM callbacks of a device. */
static bool measure_allocations(void)
{
	unsigned int i;
	bool good = true;

	for (i = 0; i < ARRAY_SIZE(paths); i++)
		good &= measure_cycles("allocations", paths[i],
				       "request=0 callbacks=1 allocations=1", 2);
	return good;
}

/* Whoever traces the device's registers finds two cycles for each path. */
static bool measure_registers(void)
{
	bool good = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(paths); i++)
		good &= measure_cycles("registers", paths[i],
				       "queues=1 request=0", 1) &&
			measure_cycles("registers", paths[i],
				       "queues=2 request=0", 1);
	return good;
}

static bool measure_rings(void)
{
	bool good;

	good = !load_bench("noirq", "request=0") &&
	       print_lines("measure=rings", RINGS);
	unload_bench();
	return good;
}

/* What sleep takes as a whole, with drivers that do not use the noirq phase. */
static bool measure_overhead(void)
{
	return measure_cycles("overhead", "normal", "request=0", env.cycles);
}

/* Prints a file with a mark before each line. */
static bool print_file(const char *mark, const char *path)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file;

	file = fopen(path, "r");
	if (!file)
		return false;
	while (getline(&line, &size, file) > 0)
		printf("# %s %s", mark, line);
	free(line);
	fclose(file);
	return true;
}

static int set_trace_events(const char *on)
{
	return write_file(TRACEFS "events/power/suspend_resume/enable", on) ?:
	       write_file(TRACEFS "events/power/device_pm_callback_start/enable", on) ?:
	       write_file(TRACEFS "events/power/device_pm_callback_end/enable", on);
}

/* One cycle as sleepgraph.py wants it. The path says which driver there is. */
static bool measure_timeline(void)
{
	const char *path = getenv("VIRTIO_NOIRQ_BENCH_PATH") ?: "noirq";
	bool good;

	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	good = !load_bench(path, "") &&
	       !write_file(TRACEFS "trace", "") &&
	       !write_file(TRACEFS "buffer_size_kb", "4096") &&
	       !set_trace_events("1") && sleep_once() && !set_trace_events("0") &&
	       print_file("trace:", TRACEFS "trace");
	unload_bench();
	return good;
}

static const struct {
	const char *name;
	bool (*measure)(void);
} measures[] = {
	{ "readiness", measure_readiness },
	{ "mappings", measure_mappings },
	{ "queues", measure_queues },
	{ "allocations", measure_allocations },
	{ "registers", measure_registers },
	{ "rings", measure_rings },
	{ "overhead", measure_overhead },
	{ "timeline", measure_timeline },
};

static bool in_list(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (; list; list = strchr(list, ',')) {
		list += *list == ',';
		if (!strncmp(list, name, len) &&
		    (list[len] == ',' || !list[len]))
			return true;
	}
	return false;
}

int main(void)
{
	const char *wanted = getenv("VIRTIO_NOIRQ_BENCH");
	unsigned int i, count = 0;
	const char *lack;

	ksft_print_header();
	env.cycles = env_number("VIRTIO_NOIRQ_CYCLES", DEFAULT_CYCLES);
	lack = open_machine(&env);
	if (lack)
		ksft_exit_skip("%s\n", lack);

	for (i = 0; i < ARRAY_SIZE(measures); i++)
		count += !wanted || in_list(wanted, measures[i].name);
	ksft_set_plan(count);
	for (i = 0; i < ARRAY_SIZE(measures); i++)
		if (!wanted || in_list(wanted, measures[i].name))
			ksft_test_result(measures[i].measure(), "%s\n",
					 measures[i].name);
	ksft_finished();
}
