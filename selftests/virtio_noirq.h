/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of virtio in the noirq phase of system sleep share: the
 * machine (files, modules, kernel log, real-time clock) and the devices.
 */

#ifndef VIRTIO_NOIRQ_H
#define VIRTIO_NOIRQ_H

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#define MODULE		"virtio_noirq_test"
#define PEERS		"virtio_noirq_peers"
#define WINDOW		"window"
#define CONSUMER	"virtio_noirq_consumer"
#define SUPPLIER	"virtio_noirq_supplier"
#define EXAMPLE		"virtio_noirq_example"
#define BENCH		"virtio_bench"
#define NOIRQ_BENCH	"virtio_noirq_bench"
#define NOIRQ_DRIVER	"virtio_noirq_test"
#define NORMAL_DRIVER	"virtio_normal_test"

#define REQUESTS	8	/* by the module, per resume */
#define SECTOR_SIZE	512
#define SLEEP_SEC	2
#define SHORT_CYCLES	5	/* where not the number of cycles is the point */
#define MAX_DEVICES	32

#define BIT_ULL(n)	(1ULL << (n))
#define VERSION_1	BIT_ULL(VIRTIO_F_VERSION_1)
#define PACKED		BIT_ULL(VIRTIO_F_RING_PACKED)
#define IN_ORDER	BIT_ULL(VIRTIO_F_IN_ORDER)
#define EVENT_IDX	BIT_ULL(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT	BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC)
#define IOMMU		BIT_ULL(VIRTIO_F_ACCESS_PLATFORM)
#define VARIANT_BITS	(VERSION_1 | PACKED | IN_ORDER | EVENT_IDX | INDIRECT)

struct test_env {
	char devices[MAX_DEVICES][32];	/* "virtio0", say */
	unsigned int ndevices;
	char transport[32];		/* of the first one, "virtio-pci" say */
	unsigned int cycles;
	unsigned int sleep_sec;
	const char *state;		/* that it sleeps in, of /sys/power/state */
	int rtc;
	int log;
};

/* The counters of /sys/power/suspend_stats. */
struct sleep_stats {
	struct {
		char name[32];
		unsigned long long value;
	} counter[16];
	unsigned int count;
};

/* What is asked of a function that returns int is 0, or -errno. */

int write_file(const char *path, const char *text);
int read_file(const char *path, char *text, size_t size);
unsigned long long read_number(const char *path);
unsigned long env_number(const char *name, unsigned long otherwise);

/* Returns what this machine lacks to run the tests, or NULL. */
const char *open_machine(struct test_env *env);
/* A module that is installed beside the program. */
int load_module(const char *name, const char *params);
const char *load_test_module(void);
void unload_test_modules(void);
void unload_bench(void);

/* Gives the first device a consumer and a supplier. */
int load_peers(const struct test_env *env, const char *params);

/* Watches for allocations and interrupts in the noirq phase. */
int load_window(void);

/* The driver that the documentation shows. */
int load_example(void);

/* Finds a driver's devices with these features; returns how many have others. */
unsigned int find_devices(struct test_env *env, const char *driver,
			  unsigned long long features);
bool on_pci(const struct test_env *env);
/* Whether the sleep is one that takes the devices' power. */
bool takes_power(const struct test_env *env);
/* Whether the first device signals by messages. */
bool has_msi(const struct test_env *env);
int bind_devices(const struct test_env *env, const char *from, const char *to);

/* A number of a module about one device, "resume/requests" say. */
unsigned long long device_number(const char *device, const char *name);
int set_device_number(const char *device, const char *name,
		      unsigned long long value);

/* The same of all devices together. */
unsigned long long sum_of(const struct test_env *env, const char *name);
unsigned long long max_of(const struct test_env *env, const char *name);
int set_all(const struct test_env *env, const char *name,
	    unsigned long long value);

/* Moves to the end of the kernel log; see there. */
unsigned int count_log_complaints(int log, const char *const *expected);

struct sleep_stats read_sleep_stats(void);
void moved_counters(const struct sleep_stats *before, char *text, size_t size);

time_t rtc_now(int rtc);
int arm_wakeup(int rtc, time_t when);
int disarm_wakeup(int rtc);

#endif /* VIRTIO_NOIRQ_H */
