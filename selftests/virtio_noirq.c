// SPDX-License-Identifier: GPL-2.0
/* What the tests of virtio in the noirq phase share; see the header. */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <linux/rtc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest.h"
#include "virtio_noirq.h"

#define DRIVERS		"/sys/bus/virtio/drivers/"
#define DEBUGFS		"/sys/kernel/debug/" MODULE
#define SUSPEND_STATS	"/sys/power/suspend_stats/"

#define LOG_LEVEL_MASK	7
#define LOG_WARNING	4

int write_file(const char *path, const char *text)
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

/* The text is always terminated. */
int read_file(const char *path, char *text, size_t size)
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
unsigned long long read_number(const char *path)
{
	char text[32];

	if (read_file(path, text, sizeof(text)))
		return ULLONG_MAX;
	return strtoull(text, NULL, 0);
}

unsigned long env_number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
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

int load_module(const char *name, const char *params)
{
	char file[64], path[PATH_MAX];
	int fd, err;

	snprintf(file, sizeof(file), "test_modules/%s.ko", name);
	path_beside(file, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = syscall(__NR_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	/* A symbol is not there. The file is. */
	return err == -ENOENT ? -ENOEXEC : err;
}

static void unload_module(const char *name)
{
	syscall(__NR_delete_module, name, O_NONBLOCK);
}

const char *open_machine(struct test_env *env)
{
	char text[256];

	if (geteuid())
		return "needs root";

	env->state = getenv("VIRTIO_NOIRQ_STATE") ?: "freeze";
	read_file("/sys/power/state", text, sizeof(text));
	if (!strstr(text, env->state))
		return "/sys/power/state does not have the state, or CONFIG_SUSPEND is off";

	env->rtc = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
	if (env->rtc < 0)
		return "no /dev/rtc0, the real-time clock that ends the sleep";

	env->log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (env->log < 0 || lseek(env->log, 0, SEEK_END))
		return "no /dev/kmsg, the kernel log";

	return NULL;
}

const char *load_test_module(void)
{
	char params[32];

	snprintf(params, sizeof(params), "requests=%u unfit=%lu", REQUESTS,
		 env_number("VIRTIO_NOIRQ_UNFIT", 0));
	unload_test_modules();
	switch (load_module(MODULE, params)) {
	case 0:
		break;
	case -ENOENT:
		return "test_modules/" MODULE ".ko was not built or not installed";
	default:
		return "module refused: not built for this kernel, or no virtio noirq support";
	}

	if (access(DEBUGFS, F_OK))
		return "debugfs is not mounted on /sys/kernel/debug";

	return NULL;
}

void unload_test_modules(void)
{
	unload_module(EXAMPLE);
	unload_module("virtio_noirq_window");
	unload_module(PEERS);
	unload_module(MODULE);
}

void unload_bench(void)
{
	unload_module(NOIRQ_BENCH);
	unload_module(BENCH);
}

int load_peers(const struct test_env *env, const char *params)
{
	char text[128];

	snprintf(text, sizeof(text), "provider=%s requests=%u %s",
		 env->devices[0], REQUESTS, params);
	return load_module(PEERS, text);
}

int load_example(void)
{
	return load_module(EXAMPLE, "");
}

int load_window(void)
{
	int err = load_module("virtio_noirq_window", "");

	return err == -EEXIST ? 0 : err;
}

unsigned long long device_number(const char *device, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", device, name);
	return read_number(path);
}

int set_device_number(const char *device, const char *name,
		      unsigned long long value)
{
	char path[PATH_MAX], text[32];

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", device, name);
	snprintf(text, sizeof(text), "%llu", value);
	return write_file(path, text);
}

unsigned long long sum_of(const struct test_env *env, const char *name)
{
	unsigned long long sum = 0;
	unsigned int i;

	for (i = 0; i < env->ndevices; i++)
		sum += device_number(env->devices[i], name);
	return sum;
}

unsigned long long max_of(const struct test_env *env, const char *name)
{
	unsigned long long number, max = 0;
	unsigned int i;

	for (i = 0; i < env->ndevices; i++) {
		number = device_number(env->devices[i], name);
		if (number > max)
			max = number;
	}
	return max;
}

int set_all(const struct test_env *env, const char *name,
	    unsigned long long value)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < env->ndevices && !err; i++)
		err = set_device_number(env->devices[i], name, value);
	return err;
}

/* A file of the device that the transport drives. */
static void path_of_parent(const struct test_env *env, const char *name,
			   char *path, size_t size)
{
	snprintf(path, size, "/sys/bus/virtio/devices/%s/../%s",
		 env->devices[0], name);
}

static void find_transport(struct test_env *env)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	path_of_parent(env, "driver", path, sizeof(path));
	len = readlink(path, target, sizeof(target) - 1);
	target[len < 0 ? 0 : len] = '\0';
	snprintf(env->transport, sizeof(env->transport), "%s", basename(target));
}

bool on_pci(const struct test_env *env)
{
	return !strcmp(env->transport, "virtio-pci");
}

bool takes_power(const struct test_env *env)
{
	return !strcmp(env->state, "mem");
}

bool has_msi(const struct test_env *env)
{
	char path[PATH_MAX];

	path_of_parent(env, "msi_irqs", path, sizeof(path));
	return !access(path, F_OK);
}

unsigned int find_devices(struct test_env *env, const char *driver,
			  unsigned long long features)
{
	char pattern[PATH_MAX];
	unsigned int others = 0;
	const char *name;
	glob_t found;
	size_t i;

	env->ndevices = 0;
	snprintf(pattern, sizeof(pattern), DRIVERS "%s/virtio*", driver);
	if (glob(pattern, 0, NULL, &found))
		return 0;

	for (i = 0; i < found.gl_pathc && env->ndevices < MAX_DEVICES; i++) {
		name = basename(found.gl_pathv[i]);
		if ((device_number(name, "features") & VARIANT_BITS) == features)
			snprintf(env->devices[env->ndevices++],
				 sizeof(env->devices[0]), "%s", name);
		else
			others++;
	}
	globfree(&found);
	find_transport(env);
	return others;
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

int bind_devices(const struct test_env *env, const char *from, const char *to)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < env->ndevices && !err; i++)
		err = bind_device(env->devices[i], from, to);
	return err;
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

/* Notes in seen that the line has one of these parts. */
static bool log_line_expected(const char *line, const char *const *expected,
			      unsigned long long *seen)
{
	unsigned int i;

	for (i = 0; expected && expected[i]; i++) {
		if (!strstr(line, expected[i]))
			continue;
		*seen |= BIT_ULL(i);
		return true;
	}
	return false;
}

static unsigned int count_missing(const char *const *expected,
				  unsigned long long seen)
{
	unsigned int i, missing = 0;

	for (i = 0; expected && expected[i]; i++) {
		if (seen & BIT_ULL(i))
			continue;
		ksft_print_msg("kernel log: missing: %s\n", expected[i]);
		missing++;
	}
	return missing;
}

/*
 * Reads the kernel log from where it was left. Returns how many lines are at
 * warning or above and neither in the list nor expected, and how many expected
 * ones are missing; and prints them. Expected are parts of lines, up to NULL.
 */
unsigned int count_log_complaints(int log, const char *const *expected)
{
	unsigned long long seen = 0;
	unsigned int complaints = 0;
	char record[8192];
	ssize_t len;

	while ((len = read(log, record, sizeof(record) - 1)) > 0 ||
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
			if (log_line_expected(text, expected, &seen) ||
			    log_line_allowed(text))
				continue;
		}
		ksft_print_msg("kernel log: %s\n", text);
		complaints++;
	}
	return complaints + count_missing(expected, seen);
}

struct sleep_stats read_sleep_stats(void)
{
	struct sleep_stats stats = {};
	glob_t found;
	size_t i;

	if (glob(SUSPEND_STATS "{success,fail*}", GLOB_BRACE, NULL, &found))
		return stats;

	for (i = 0; i < found.gl_pathc && i < ARRAY_SIZE(stats.counter); i++) {
		stats.counter[i].value = read_number(found.gl_pathv[i]);
		snprintf(stats.counter[i].name, sizeof(stats.counter[i].name),
			 "%s", basename(found.gl_pathv[i]));
	}
	stats.count = i;
	globfree(&found);
	return stats;
}

/* Names the counters that are one higher by now; "success+2" if it is two. */
void moved_counters(const struct sleep_stats *before, char *text, size_t size)
{
	struct sleep_stats after = read_sleep_stats();
	unsigned long long moved;
	unsigned int i, len = 0;

	text[0] = '\0';
	for (i = 0; i < after.count && len < size; i++) {
		moved = after.counter[i].value - before->counter[i].value;
		if (!moved)
			continue;
		len += snprintf(text + len, size - len, "%s%s", len ? " " : "",
				after.counter[i].name);
		if (moved != 1 && len < size)
			len += snprintf(text + len, size - len, "+%llu", moved);
	}
}

/* Seconds since the epoch by the real-time clock, or -1. */
time_t rtc_now(int rtc)
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

/*
 * Once the count of wakeup events is written back, an event that came since it
 * was read makes the sleep fail. So an alarm that goes off too early, on a slow
 * machine, is an error; without this the machine would sleep for good.
 */
int arm_wakeup(int rtc, time_t when)
{
	char events[32];

	return read_file("/sys/power/wakeup_count", events, sizeof(events)) ?:
	       set_wake_alarm(rtc, when) ?:
	       write_file("/sys/power/wakeup_count", events);
}

int disarm_wakeup(int rtc)
{
	return ioctl(rtc, RTC_AIE_OFF) ? -errno : 0;
}
