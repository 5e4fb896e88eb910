/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The platform behind the SCMI messages (Arm DEN0056): some clocks, supplies,
 * power domains and resets, and the base, power domain, clock, reset and voltage
 * protocols.
 */
#ifndef SCMI_H
#define SCMI_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* Message header */
#define SCMI_HDR_ID(h)		((h) & 0xff)
#define SCMI_HDR_TYPE(h)	((h) >> 8 & 0x3)
#define SCMI_HDR_PROTOCOL(h)	((h) >> 10 & 0xff)
#define SCMI_HDR_TOKEN		(0x3ffu << 18)
#define SCMI_HDR(protocol, type, id) \
	((__u32)(protocol) << 10 | (__u32)(type) << 8 | (id))
enum { SCMI_COMMAND = 0, SCMI_DELAYED = 2, SCMI_NOTIFICATION = 3 };

enum scmi_status {
	SCMI_SUCCESS = 0,
	SCMI_NOT_SUPPORTED = -1,
	SCMI_INVALID_PARAMETERS = -2,
	SCMI_NOT_FOUND = -4,
	SCMI_PROTOCOL_ERROR = -10,
};

enum {
	SCMI_BASE = 0x10,
	SCMI_POWER = 0x11,
	SCMI_CLOCK = 0x14,
	SCMI_RESET = 0x16,
	SCMI_VOLTAGE = 0x17,
};

#define SCMI_REQUEST_MAX	64	/* our longest command has 16 bytes */
#define SCMI_REPLY_MAX		256
#define SCMI_REPLY_MIN		8	/* header and status */

enum { SCMI_PLATFORM, SCMI_AGENT };	/* agent ids: we, the guest */

enum { SCMI_CLOCKS = 4, SCMI_SUPPLIES = 3, SCMI_DOMAINS = 3,
       SCMI_RESETS = 2 };

/* What a test may ask for, and what outlives the process with --state */
struct scmi_state {
	struct {
		__u64 rate;
		__u32 enabled;
		__u32 notify;
	} clock[SCMI_CLOCKS];
	struct {
		__s32 level;	/* uV */
		__u32 enabled;
	} supply[SCMI_SUPPLIES];
	struct {
		__u32 on;
		__u32 notify;
	} domain[SCMI_DOMAINS];
	struct {
		__u32 asserted;
		__u32 count;	/* of resets asked for in one command */
	} reset[SCMI_RESETS];
	__u32 notify_errors;
};

struct scmi {
	struct scmi_state *state;
	bool events;		/* the guest has an event queue */
	bool async;		/* offer asynchronous commands */
	/* Sends something over the event queue */
	void (*event)(struct scmi *scmi, const __u32 *words, unsigned int n);
};

extern const char *const scmi_clock_name[SCMI_CLOCKS];
extern const char *const scmi_supply_name[SCMI_SUPPLIES];
extern const char *const scmi_domain_name[SCMI_DOMAINS];
extern const char *const scmi_reset_name[SCMI_RESETS];

void scmi_reset(struct scmi *scmi);
bool scmi_state_ok(const struct scmi_state *state);

/*
 * Executes one command of at least 4 bytes and writes the reply, of at most
 * room bytes (at least SCMI_REPLY_MIN), in the wire's byte order. Returns its
 * length.
 */
size_t scmi_execute(struct scmi *scmi, const void *request, size_t len,
		    void *reply, size_t room);

/* Changes of state, by the guest or by the platform itself; false: no such */
bool scmi_clock_rate(struct scmi *scmi, __u32 agent, __u32 id, __u64 rate);
bool scmi_domain_power(struct scmi *scmi, __u32 agent, __u32 id, bool on);
bool scmi_supply_level(struct scmi *scmi, __u32 id, __s32 level);
/* Tell the present state, as if it had changed; false: not subscribed to */
bool scmi_clock_notify(struct scmi *scmi, __u32 agent, __u32 id);
bool scmi_domain_notify(struct scmi *scmi, __u32 agent, __u32 id);

#endif
