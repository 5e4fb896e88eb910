// SPDX-License-Identifier: GPL-2.0
/*
 * Test virtio in the noirq phase of system sleep, in real s2idle cycles that
 * the real-time clock ends.
 *
 * test_modules/virtio_noirq_test.ko drives virtio block devices whose disk
 * carries a known pattern. In each cycle it reads sectors while the system
 * resumes, and compares them: either in restore_noirq(), or, for comparison, in
 * restore() after it found its virtqueue anew. See there for what it counts.
 *
 * Environment:
 * VIRTIO_NOIRQ_CYCLES	sleep cycles on each path (default 20)
 */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <linux/rtc.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#define MODULE		"virtio_noirq_test"
#define NOIRQ_DRIVER	"virtio_noirq_test"
#define NORMAL_DRIVER	"virtio_normal_test"
#define DRIVERS		"/sys/bus/virtio/drivers/"
#define DEBUGFS		"/sys/kernel/debug/" MODULE
#define SUSPEND_STATS	"/sys/power/suspend_stats/"

#define REQUESTS	8	/* by the module, per resume */
#define SECTOR_SIZE	512
#define SECTOR_WORDS	(SECTOR_SIZE / sizeof(unsigned long long))
#define SLEEP_SEC	2
#define DEFAULT_CYCLES	20
#define SHORT_CYCLES	5	/* where not the number of cycles is the point */

/* Cycles are the caller's choice, so the time they take is too. */
#define TIMEOUT_SEC	(7 * 24 * 60 * 60)

#define LOG_LEVEL_MASK	7
#define LOG_WARNING	4

#define BIT_ULL(n)	(1ULL << (n))
#define VERSION_1	BIT_ULL(VIRTIO_F_VERSION_1)
#define PACKED		BIT_ULL(VIRTIO_F_RING_PACKED)
#define IN_ORDER	BIT_ULL(VIRTIO_F_IN_ORDER)
#define LAYOUT_BITS	(VERSION_1 | PACKED | IN_ORDER)

struct sleep_stats {
	unsigned long long success;
	unsigned long long failures;	/* sum of all other counters */
};

struct test_env {
	char device[32];	/* "virtio0", say */
	unsigned int cycles;
	int rtc;
	int log;
};

struct figures {
	unsigned long long requests;
	unsigned long long noirq_requests;
	unsigned long long bytes;
	unsigned long long mismatches;
	unsigned long long errors;
	unsigned long long *first_ns;	/* one per cycle, sorted at the end */
	unsigned int cycles;
};

/* Returns 0 or -errno. */
static int write_file(const char *path, const char *text)
{
	int fd, err = 0;

	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Returns 0 or -errno; text is always terminated. */
static int read_file(const char *path, char *text, size_t size)
{
	ssize_t len;
	int fd;

	text[0] = '\0';
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	if (len >= 0)
		text[len] = '\0';
	close(fd);
	return len < 0 ? -errno : 0;
}

/* Returns ULLONG_MAX, which no counter reaches, if it cannot be read. */
static unsigned long long read_number(const char *path)
{
	char text[32];

	if (read_file(path, text, sizeof(text)))
		return ULLONG_MAX;
	return strtoull(text, NULL, 0);
}

/* A number of the module about one device, "resume/requests" say. */
static unsigned long long device_number(const char *device, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", device, name);
	return read_number(path);
}

static int set_device_number(const char *device, const char *name,
			     unsigned long long value)
{
	char path[PATH_MAX], text[32];

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", device, name);
	snprintf(text, sizeof(text), "%llu", value);
	return write_file(path, text);
}

/* The path of a file that is installed beside this program. */
static void path_beside(const char *name, char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t len;

	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[len < 0 ? 0 : len] = '\0';
	snprintf(path, size, "%s/%s", dirname(self), name);
}

static void unload_module(void)
{
	syscall(__NR_delete_module, MODULE, O_NONBLOCK);
}

/* Returns 0 or -errno. */
static int load_module(const char *path)
{
	char params[32];
	int fd, err;

	unload_module();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(params, sizeof(params), "requests=%u", REQUESTS);
	err = syscall(__NR_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return err;
}

/* Returns how many devices there are; copies the name of one of this layout. */
static size_t find_device(unsigned long long layout, char *device, size_t size)
{
	size_t i, count = 0;
	glob_t found;

	device[0] = '\0';
	if (!glob(DRIVERS NOIRQ_DRIVER "/virtio*", 0, NULL, &found))
		count = found.gl_pathc;

	for (i = 0; i < count && !device[0]; i++) {
		const char *name = basename(found.gl_pathv[i]);

		if ((device_number(name, "features") & LAYOUT_BITS) == layout)
			snprintf(device, size, "%s", name);
	}
	globfree(&found);
	return count;
}

static int bind_device(const char *device, const char *from, const char *to)
{
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), DRIVERS "%s/unbind", from);
	err = write_file(path, device);
	if (err)
		return err;
	snprintf(path, sizeof(path), DRIVERS "%s/bind", to);
	return write_file(path, device);
}

/* A line of the list reads "part of the message | reason". */
static bool log_line_allowed(const char *line)
{
	char path[PATH_MAX], entry[512];
	bool allowed = false;
	FILE *list;
	char *bar;

	path_beside("virtio_noirq_log_allowed", path, sizeof(path));
	list = fopen(path, "r");
	while (list && !allowed && fgets(entry, sizeof(entry), list)) {
		bar = strstr(entry, " | ");
		if (entry[0] == '#' || !bar)
			continue;
		*bar = '\0';
		allowed = strstr(line, entry);
	}
	if (list)
		fclose(list);
	return allowed;
}

/*
 * Reads the kernel log from where it was left. Returns how many lines are at
 * warning or above and not in the list, and prints them.
 */
static unsigned int count_log_complaints(int fd)
{
	unsigned int complaints = 0;
	char record[8192];
	ssize_t len;

	while ((len = read(fd, record, sizeof(record) - 1)) > 0 ||
	       errno == EPIPE) {
		const char *text = "the kernel log was overwritten unread";

		if (len > 0) {
			record[len] = '\0';
			record[strcspn(record, "\n")] = '\0';
			if ((strtoul(record, NULL, 10) & LOG_LEVEL_MASK) >
			    LOG_WARNING)
				continue;
			text = record + strcspn(record, ";");
			text += *text == ';';
			if (log_line_allowed(text))
				continue;
		}
		ksft_print_msg("kernel log: %s\n", text);
		complaints++;
	}
	return complaints;
}

static struct sleep_stats read_sleep_stats(void)
{
	struct sleep_stats stats = {
		.success = read_number(SUSPEND_STATS "success"),
	};
	glob_t found;
	size_t i;

	if (glob(SUSPEND_STATS "fail*", 0, NULL, &found))
		return stats;

	for (i = 0; i < found.gl_pathc; i++)
		stats.failures += read_number(found.gl_pathv[i]);
	globfree(&found);
	return stats;
}

/* Seconds since the epoch by the real-time clock, or -1. */
static time_t rtc_now(int rtc)
{
	struct rtc_time now;
	struct tm tm = {};

	if (ioctl(rtc, RTC_RD_TIME, &now))
		return -1;

	tm.tm_sec = now.tm_sec;
	tm.tm_min = now.tm_min;
	tm.tm_hour = now.tm_hour;
	tm.tm_mday = now.tm_mday;
	tm.tm_mon = now.tm_mon;
	tm.tm_year = now.tm_year;
	return timegm(&tm);
}

/* Returns 0 or -errno. */
static int set_wake_alarm(int rtc, time_t when)
{
	struct rtc_wkalrm alarm = { .enabled = 1 };
	struct tm tm;

	gmtime_r(&when, &tm);
	alarm.time.tm_sec = tm.tm_sec;
	alarm.time.tm_min = tm.tm_min;
	alarm.time.tm_hour = tm.tm_hour;
	alarm.time.tm_mday = tm.tm_mday;
	alarm.time.tm_mon = tm.tm_mon;
	alarm.time.tm_year = tm.tm_year;
	return ioctl(rtc, RTC_WKALM_SET, &alarm) ? -errno : 0;
}

static int compare_u64(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return (x > y) - (x < y);
}

FIXTURE(noirq)
{
	struct test_env env;
};

FIXTURE_VARIANT(noirq)
{
	const char *name;
	unsigned long long layout;
};

FIXTURE_VARIANT_ADD(noirq, legacy) {
	.name = "legacy",
	.layout = 0,
};

FIXTURE_VARIANT_ADD(noirq, split) {
	.name = "split",
	.layout = VERSION_1,
};

FIXTURE_VARIANT_ADD(noirq, packed) {
	.name = "packed",
	.layout = VERSION_1 | PACKED,
};

FIXTURE_VARIANT_ADD(noirq, split_in_order) {
	.name = "split_in_order",
	.layout = VERSION_1 | IN_ORDER,
};

FIXTURE_VARIANT_ADD(noirq, packed_in_order) {
	.name = "packed_in_order",
	.layout = VERSION_1 | PACKED | IN_ORDER,
};

static unsigned int cycles_wanted(void)
{
	const char *text = getenv("VIRTIO_NOIRQ_CYCLES");

	return text ? strtoul(text, NULL, 10) : DEFAULT_CYCLES;
}

/* Returns what this machine lacks to run the tests, or NULL. */
static const char *open_machine(struct test_env *env)
{
	char text[256];

	if (geteuid())
		return "needs root";

	read_file("/sys/power/state", text, sizeof(text));
	if (!strstr(text, "freeze"))
		return "no \"freeze\" in /sys/power/state, CONFIG_SUSPEND is off";

	env->rtc = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
	if (env->rtc < 0)
		return "no /dev/rtc0, the real-time clock that ends the sleep";

	env->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (env->log < 0 || lseek(env->log, 0, SEEK_END))
		return "no /dev/kmsg, the kernel log";

	return NULL;
}

/* Returns why the module cannot be used on this machine, or NULL. */
static const char *load_test_module(void)
{
	char path[PATH_MAX];

	path_beside("test_modules/" MODULE ".ko", path, sizeof(path));
	if (access(path, R_OK))
		return "test_modules/" MODULE ".ko was not built or not installed";

	if (load_module(path))
		return "module refused: not built for this kernel, or no virtio noirq support";

	if (access(DEBUGFS, F_OK))
		return "debugfs is not mounted on /sys/kernel/debug";

	return NULL;
}

FIXTURE_SETUP(noirq)
{
	struct test_env *env = &self->env;
	const char *lack;
	size_t others;

	env->cycles = cycles_wanted();
	ASSERT_LT(0, env->cycles)
		TH_LOG("VIRTIO_NOIRQ_CYCLES must be a positive number");

	lack = open_machine(env) ?: load_test_module();
	if (lack) {
		unload_module();
		SKIP(return, "%s", lack);
	}

	others = find_device(variant->layout, env->device, sizeof(env->device));
	if (!env->device[0]) {
		unload_module();
		SKIP(return,
		     "no virtio-blk with test pattern, noirq support and %s ring (%zu with other rings)",
		     variant->name, others);
	}
}

FIXTURE_TEARDOWN(noirq)
{
	struct test_env *env = &self->env;

	unload_module();
	EXPECT_EQ(0, count_log_complaints(env->log));
	close(env->log);
	close(env->rtc);
}

/*
 * Once the count of wakeup events is written back, an event that came since it
 * was read makes the sleep fail. So an alarm that goes off too early, on a slow
 * machine, is an error; without this the machine would sleep for good.
 *
 * Returns 0 or -errno.
 */
static int arm_wakeup(int rtc, time_t when)
{
	char events[32];

	return read_file("/sys/power/wakeup_count", events, sizeof(events)) ?:
	       set_wake_alarm(rtc, when) ?:
	       write_file("/sys/power/wakeup_count", events);
}

/* One real sleep, ended by the alarm and by nothing else. */
static void sleep_once(struct __test_metadata *const _metadata,
		       const struct test_env *env)
{
	struct sleep_stats before, after;
	time_t alarm;

	before = read_sleep_stats();
	alarm = rtc_now(env->rtc) + SLEEP_SEC;
	ASSERT_EQ(0, arm_wakeup(env->rtc, alarm));
	EXPECT_EQ(0, write_file("/sys/power/state", "freeze"));
	EXPECT_EQ(0, count_log_complaints(env->log));
	EXPECT_LE(alarm, rtc_now(env->rtc));

	after = read_sleep_stats();
	EXPECT_EQ(before.success + 1, after.success);
	EXPECT_EQ(before.failures, after.failures);
}

static void read_figures(const char *device, struct figures *f)
{
	f->requests = device_number(device, "resume/requests");
	f->noirq_requests = device_number(device, "resume/noirq_requests");
	f->bytes = device_number(device, "resume/bytes");
	f->mismatches = device_number(device, "resume/mismatches");
	f->errors = device_number(device, "resume/errors");
}

/* Sleeps once, and checks what the device did while the system resumed. */
static void sleep_and_check(struct __test_metadata *const _metadata,
			    const struct test_env *env,
			    unsigned int noirq_requests, struct figures *f)
{
	struct figures before = *f;

	sleep_once(_metadata, env);

	read_figures(env->device, f);
	EXPECT_EQ(before.requests + REQUESTS, f->requests);
	EXPECT_EQ(before.noirq_requests + noirq_requests, f->noirq_requests);
	EXPECT_EQ(before.bytes + REQUESTS * SECTOR_SIZE, f->bytes);
	EXPECT_EQ(0, f->mismatches);
	EXPECT_EQ(0, f->errors);
	f->first_ns[f->cycles++] = device_number(env->device,
						 "first_answer_ns");
}

/* Sleeps so many times, or until a check fails. */
static void run_cycles(struct __test_metadata *const _metadata,
		       const struct test_env *env, unsigned int cycles,
		       unsigned int noirq_requests, struct figures *f)
{
	memset(f, 0, sizeof(*f));
	f->first_ns = calloc(cycles, sizeof(*f->first_ns));
	ASSERT_NE(NULL, f->first_ns);

	while (f->cycles < cycles && !_metadata->exit_code) {
		sleep_and_check(_metadata, env, noirq_requests, f);
		if (f->cycles % 10 == 0)
			ksft_print_msg("cycle %u of %u\n", f->cycles, cycles);
	}

	ASSERT_LT(0, f->cycles);
	qsort(f->first_ns, f->cycles, sizeof(*f->first_ns), compare_u64);
}

static unsigned long long median_first_ns(const struct figures *f)
{
	return f->first_ns[f->cycles / 2];
}

static void print_figures(const char *variant, const char *path,
			  const struct figures *f)
{
	ksft_print_msg("figure variant=%s path=%s cycles=%u", variant, path,
		       f->cycles);
	printf(" requests=%llu noirq_requests=%llu bytes=%llu",
	       f->requests, f->noirq_requests, f->bytes);
	printf(" mismatches=%llu errors=%llu", f->mismatches, f->errors);
	printf(" first_ns_min=%llu first_ns_med=%llu first_ns_max=%llu\n",
	       f->first_ns[0], median_first_ns(f), f->first_ns[f->cycles - 1]);
}

/* Test that the device answers in restore_noirq(), in the noirq phase. */
TEST_F_TIMEOUT(noirq, answers_in_noirq_phase, TIMEOUT_SEC)
{
	struct figures f;

	run_cycles(_metadata, &self->env, self->env.cycles, REQUESTS, &f);
	print_figures(variant->name, "noirq", &f);
}

/* Test that the same device on the normal path answers, but not in noirq. */
TEST_F_TIMEOUT(noirq, answers_in_normal_phase, TIMEOUT_SEC)
{
	struct figures f;

	ASSERT_EQ(0, bind_device(self->env.device, NOIRQ_DRIVER, NORMAL_DRIVER));
	EXPECT_EQ(variant->layout,
		  device_number(self->env.device, "features") & LAYOUT_BITS);

	run_cycles(_metadata, &self->env, self->env.cycles, 0, &f);
	print_figures(variant->name, "normal", &f);
}

/* Test that the device still answers in freeze_noirq(). */
TEST_F_TIMEOUT(noirq, answers_before_sleep, TIMEOUT_SEC)
{
	struct figures f;

	run_cycles(_metadata, &self->env, SHORT_CYCLES, REQUESTS, &f);

	EXPECT_EQ(SHORT_CYCLES,
		  device_number(self->env.device, "suspend/noirq_requests"));
	EXPECT_EQ(0, device_number(self->env.device, "suspend/mismatches"));
	EXPECT_EQ(0, device_number(self->env.device, "suspend/errors"));
}

/* Test that, after a sleep, the device answers by interrupt as before. */
TEST_F_TIMEOUT(noirq, interrupts_after_sleep, TIMEOUT_SEC)
{
	EXPECT_EQ(0, set_device_number(self->env.device, "read", REQUESTS));
	sleep_once(_metadata, &self->env);
	EXPECT_EQ(0, set_device_number(self->env.device, "read", REQUESTS));

	EXPECT_EQ(2 * REQUESTS,
		  device_number(self->env.device, "running/requests"));
	EXPECT_EQ(0, device_number(self->env.device, "running/mismatches"));
	EXPECT_EQ(0, device_number(self->env.device, "running/errors"));
}

/* Test that the device works after it slept and was bound again. */
TEST_F_TIMEOUT(noirq, rebind_after_sleep, TIMEOUT_SEC)
{
	struct figures f;

	sleep_once(_metadata, &self->env);
	ASSERT_EQ(0, bind_device(self->env.device, NOIRQ_DRIVER, NOIRQ_DRIVER));
	run_cycles(_metadata, &self->env, 1, REQUESTS, &f);
}

/* Test that the comparison sees wrong data: each word of it. */
TEST_F(noirq, wrong_data_is_noticed)
{
	unsigned long long seed = device_number(self->env.device, "seed");

	ASSERT_EQ(0, set_device_number(self->env.device, "seed", seed + 1));
	EXPECT_EQ(0, set_device_number(self->env.device, "read", REQUESTS));

	EXPECT_EQ(REQUESTS * SECTOR_WORDS,
		  device_number(self->env.device, "running/mismatches"));
}

TEST_HARNESS_MAIN
