// SPDX-License-Identifier: GPL-2.0
#include <endian.h>
#include <string.h>

#include "scmi.h"
#include "util.h"

#define NAME_WORDS	4	/* a name takes 16 bytes */
#define MAX_ASYNC	8

#define RATE_ASYNC	0x1u	/* flags of CLOCK_RATE_SET */
#define RATE_UP		0x4u
#define RATE_AUTO	0x8u

#define DOMAIN_ON	0u
#define DOMAIN_OFF	0x40000000u	/* context lost */

#define LEVEL_ASYNC	0x1u	/* flags of VOLTAGE_LEVEL_SET */

#define RESET_AUTO	0x1u	/* flags of RESET */
#define RESET_ASSERT	0x2u
#define RESET_ASYNC	0x4u
#define RESET_COLD	0u	/* the state */

#define SUPPLY_ON	0x7u
#define SUPPLY_OFF	0x0u

/* A list of values, or first, last and step */
struct values {
	bool range;
	unsigned int n;
	const __u64 *v;
};

#define LIST(...)  { false, ARRAY_SIZE(((__u64[]){ __VA_ARGS__ })), \
		     (const __u64[]){ __VA_ARGS__ } }
#define RANGE(first, last, step) \
	{ true, 3, (const __u64[]){ first, last, step } }

const char *const scmi_clock_name[] = { "uart", "bus", "pixel", "fixed" };
static const struct values clock_rates[SCMI_CLOCKS] = {
	RANGE(1000000, 100000000, 1000000),
	RANGE(24000000, 400000000, 4000000),
	LIST(13500000, 25175000, 27000000, 36000000, 40000000, 65000000,
	     74250000, 108000000, 148500000, 162000000, 193250000, 241500000,
	     262750000, 297000000, 373250000, 533250000, 594000000, 1066500000),
	LIST(32768),
};

const char *const scmi_supply_name[] = { "core", "io", "usb" };
static const struct values supply_levels[SCMI_SUPPLIES] = {
	RANGE(600000, 1200000, 25000),
	LIST(1800000, 2500000, 3300000),
	LIST(5000000),
};

const char *const scmi_domain_name[] = { "always", "gpu", "camera" };
const char *const scmi_reset_name[] = { "bus", "gpu" };

/* One command on its way: the arguments, and the reply as it grows */
struct call {
	struct scmi *scmi;
	__u32 header;
	const struct protocol *protocol;
	__u32 arg[4];
	__u32 word[SCMI_REPLY_MAX / 4];	/* what follows the status */
	unsigned int n, room;
};

struct message {
	__u8 id;
	__u8 args;
	__s8 object;	/* the argument that is an index, or -1 */
	int (*run)(struct call *call);
};

struct protocol {
	__u8 id;
	__u8 objects;
	__u32 version;
	int (*attributes)(struct call *call);
	const struct message *message;
	unsigned int messages;
};

static void put(struct call *call, __u32 word)
{
	if (call->n < ARRAY_SIZE(call->word))
		call->word[call->n] = htole32(word);
	call->n++;
}

static void put64(struct call *call, __u64 value)
{
	put(call, (__u32)value);
	put(call, value >> 32);
}

static void put_name(struct call *call, const char *name)
{
	__u32 word[NAME_WORDS] = {};
	unsigned int i;

	memcpy(word, name, strnlen(name, sizeof(word) - 1));
	for (i = 0; i < NAME_WORDS; i++)
		put(call, le32toh(word[i]));
}

/*
 * As many values as fit, from index on, behind a word that says how many they
 * are, how many remain, and whether they are a range.
 */
static int put_values(struct call *call, const struct values *values,
		      __u32 index, unsigned int words)
{
	unsigned int fit = call->room ? (call->room - 1) / words : 0;
	unsigned int i, n;

	if (index >= values->n || (values->range && index))
		return SCMI_INVALID_PARAMETERS;
	n = values->n - index;
	if (!fit || (values->range && fit < n))
		return SCMI_PROTOCOL_ERROR;
	if (n > fit)
		n = fit;

	put(call, n | (values->range ? 1u << 12 : 0) |
	    (values->n - index - n) << 16);
	for (i = index; i < index + n; i++) {
		if (words == 2)
			put64(call, values->v[i]);
		else
			put(call, values->v[i]);
	}
	return SCMI_SUCCESS;
}

static bool has_value(const struct values *values, __u64 value)
{
	unsigned int i;

	if (values->range)
		return value >= values->v[0] && value <= values->v[1] &&
		       (value - values->v[0]) % values->v[2] == 0;
	for (i = 0; i < values->n; i++) {
		if (values->v[i] == value)
			return true;
	}
	return false;
}

static __u64 value_at(const struct values *values, unsigned int i)
{
	return values->range ? values->v[0] + i * values->v[2] : values->v[i];
}

static unsigned int value_count(const struct values *values)
{
	if (!values->range)
		return values->n;
	return (values->v[1] - values->v[0]) / values->v[2] + 1;
}

/* The value next to the one asked for, in the direction that flags ask for */
static bool round_value(const struct values *values, __u32 flags, __u64 *value)
{
	unsigned int i, n = value_count(values);
	__u64 low, high;

	for (i = 0; i < n && value_at(values, i) < *value; i++)
		;
	if (i == n || (!i && value_at(values, 0) != *value))
		return false;
	high = value_at(values, i);
	low = high == *value ? high : value_at(values, i - 1);
	if (flags & RATE_AUTO)
		*value = high - *value < *value - low ? high : low;
	else
		*value = flags & RATE_UP ? high : low;
	return true;
}

/* Whether an asynchronous command can be answered a second time */
static bool can_delay(const struct call *call)
{
	return call->scmi->async && call->scmi->events;
}

/* The delayed response: what was done, to which object, and the value of it */
static void put_delayed(struct call *call, __u32 id, const __u32 *value,
			unsigned int n)
{
	__u32 words[5] = {
		(call->header & (SCMI_HDR_TOKEN | 0xff)) |
		SCMI_HDR(call->protocol->id, SCMI_DELAYED, 0),
		SCMI_SUCCESS, id,
	};

	memcpy(&words[3], value, n * sizeof(*value));
	call->scmi->event(call->scmi, words, 3 + n);
}

/* ---- base ---------------------------------------------------------------- */

static int base_attributes(struct call *call);

static int base_vendor(struct call *call)
{
	put_name(call, "virtio-noirq");
	return SCMI_SUCCESS;
}

static int base_sub_vendor(struct call *call)
{
	put_name(call, "test");
	return SCMI_SUCCESS;
}

static int base_impl_version(struct call *call)
{
	put(call, 1);
	return SCMI_SUCCESS;
}

static int base_list(struct call *call);

static int base_agent(struct call *call)
{
	if (call->arg[0] > SCMI_AGENT && call->arg[0] != ~0u)
		return SCMI_NOT_FOUND;
	put(call, call->arg[0] == ~0u ? SCMI_AGENT : call->arg[0]);
	put_name(call, call->arg[0] == SCMI_PLATFORM ? "platform" : "OSPM");
	return SCMI_SUCCESS;
}

static int base_notify_errors(struct call *call)
{
	if (!call->scmi->events)
		return SCMI_NOT_SUPPORTED;
	call->scmi->state->notify_errors = call->arg[0] & 1;
	return SCMI_SUCCESS;
}

static const struct message base_messages[] = {
	{ 0x3, 0, -1, base_vendor },
	{ 0x4, 0, -1, base_sub_vendor },
	{ 0x5, 0, -1, base_impl_version },
	{ 0x6, 1, -1, base_list },
	{ 0x7, 1, -1, base_agent },
	{ 0x8, 1, -1, base_notify_errors },
};

/* ---- power domains ------------------------------------------------------- */

static int power_attributes(struct call *call)
{
	put(call, SCMI_DOMAINS);
	put64(call, 0);	/* no statistics */
	put(call, 0);
	return SCMI_SUCCESS;
}

static int power_domain_attributes(struct call *call)
{
	/* changes are notified, and made synchronously */
	put(call, 1u << 31 | 1u << 29);
	put_name(call, scmi_domain_name[call->arg[0]]);
	return SCMI_SUCCESS;
}

static int power_state_set(struct call *call)
{
	__u32 state = call->arg[2];

	if (call->arg[0] & 1)
		return SCMI_NOT_SUPPORTED;
	if (state != DOMAIN_ON && state != DOMAIN_OFF)
		return SCMI_INVALID_PARAMETERS;
	scmi_domain_power(call->scmi, SCMI_AGENT, call->arg[1],
			  state == DOMAIN_ON);
	return SCMI_SUCCESS;
}

static __u32 domain_state(const struct scmi *scmi, __u32 id)
{
	return scmi->state->domain[id].on ? DOMAIN_ON : DOMAIN_OFF;
}

static int power_state_get(struct call *call)
{
	put(call, domain_state(call->scmi, call->arg[0]));
	return SCMI_SUCCESS;
}

static int power_state_notify(struct call *call)
{
	if (!call->scmi->events)
		return SCMI_NOT_SUPPORTED;
	call->scmi->state->domain[call->arg[0]].notify = call->arg[1] & 1;
	return SCMI_SUCCESS;
}

static const struct message power_messages[] = {
	{ 0x3, 1, 0, power_domain_attributes },
	{ 0x4, 3, 1, power_state_set },
	{ 0x5, 1, 0, power_state_get },
	{ 0x6, 2, 0, power_state_notify },
};

bool scmi_domain_notify(struct scmi *scmi, __u32 agent, __u32 id)
{
	__u32 words[4];

	if (id >= SCMI_DOMAINS || !scmi->state->domain[id].notify)
		return false;
	words[0] = SCMI_HDR(SCMI_POWER, SCMI_NOTIFICATION, 0x0);
	words[1] = agent;
	words[2] = id;
	words[3] = domain_state(scmi, id);
	scmi->event(scmi, words, ARRAY_SIZE(words));
	return true;
}

bool scmi_domain_power(struct scmi *scmi, __u32 agent, __u32 id, bool on)
{
	if (id >= SCMI_DOMAINS)
		return false;
	if (scmi->state->domain[id].on != on) {
		scmi->state->domain[id].on = on;
		scmi_domain_notify(scmi, agent, id);
	}
	return true;
}

/* ---- clocks -------------------------------------------------------------- */

static int clock_protocol_attributes(struct call *call)
{
	put(call, SCMI_CLOCKS | (call->scmi->async ? MAX_ASYNC << 16 : 0));
	return SCMI_SUCCESS;
}

static int clock_attributes(struct call *call)
{
	__u32 id = call->arg[0];

	/* changes of the rate are notified */
	put(call, 1u << 31 | call->scmi->state->clock[id].enabled);
	put_name(call, scmi_clock_name[id]);
	put(call, 100);	/* us to enable it */
	return SCMI_SUCCESS;
}

static int clock_describe_rates(struct call *call)
{
	return put_values(call, &clock_rates[call->arg[0]], call->arg[1], 2);
}

static int clock_rate_set(struct call *call)
{
	struct scmi *scmi = call->scmi;
	__u32 id = call->arg[1];
	__u64 rate = call->arg[2] | (__u64)call->arg[3] << 32;
	bool async = call->arg[0] & RATE_ASYNC;

	if (async && !can_delay(call))
		return SCMI_NOT_SUPPORTED;
	if (!round_value(&clock_rates[id], call->arg[0], &rate))
		return SCMI_INVALID_PARAMETERS;
	scmi_clock_rate(scmi, SCMI_AGENT, id, rate);
	if (async)
		put_delayed(call, id, (__u32[]){ (__u32)rate, rate >> 32 }, 2);
	return SCMI_SUCCESS;
}

static int clock_rate_get(struct call *call)
{
	put64(call, call->scmi->state->clock[call->arg[0]].rate);
	return SCMI_SUCCESS;
}

static int clock_config_set(struct call *call)
{
	__u32 oem_type = call->arg[1] >> 16 & 0xff;
	__u32 state = call->arg[1] & 3;

	if (oem_type)
		return SCMI_NOT_SUPPORTED;
	if (state > 1)
		return SCMI_INVALID_PARAMETERS;
	call->scmi->state->clock[call->arg[0]].enabled = state;
	return SCMI_SUCCESS;
}

static int clock_config_get(struct call *call)
{
	if (call->arg[1] & 0xff)
		return SCMI_NOT_SUPPORTED;
	put(call, 0);
	put(call, call->scmi->state->clock[call->arg[0]].enabled);
	put(call, 0);
	return SCMI_SUCCESS;
}

static int clock_rate_notify(struct call *call)
{
	if (!call->scmi->events)
		return SCMI_NOT_SUPPORTED;
	call->scmi->state->clock[call->arg[0]].notify = call->arg[1] & 1;
	return SCMI_SUCCESS;
}

static const struct message clock_messages[] = {
	{ 0x3, 1, 0, clock_attributes },
	{ 0x4, 2, 0, clock_describe_rates },
	{ 0x5, 4, 1, clock_rate_set },
	{ 0x6, 1, 0, clock_rate_get },
	{ 0x7, 3, 0, clock_config_set },
	{ 0x9, 2, 0, clock_rate_notify },
	{ 0xb, 2, 0, clock_config_get },
};

bool scmi_clock_notify(struct scmi *scmi, __u32 agent, __u32 id)
{
	__u32 words[5];

	if (id >= SCMI_CLOCKS || !scmi->state->clock[id].notify)
		return false;
	words[0] = SCMI_HDR(SCMI_CLOCK, SCMI_NOTIFICATION, 0x0);
	words[1] = agent;
	words[2] = id;
	words[3] = (__u32)scmi->state->clock[id].rate;
	words[4] = scmi->state->clock[id].rate >> 32;
	scmi->event(scmi, words, ARRAY_SIZE(words));
	return true;
}

bool scmi_clock_rate(struct scmi *scmi, __u32 agent, __u32 id, __u64 rate)
{
	if (id >= SCMI_CLOCKS || !has_value(&clock_rates[id], rate))
		return false;
	if (scmi->state->clock[id].rate != rate) {
		scmi->state->clock[id].rate = rate;
		scmi_clock_notify(scmi, agent, id);
	}
	return true;
}

/* ---- voltage ------------------------------------------------------------- */

static int voltage_attributes(struct call *call)
{
	put(call, SCMI_SUPPLIES);
	return SCMI_SUCCESS;
}

static int voltage_domain_attributes(struct call *call)
{
	put(call, call->scmi->async ? 1u << 31 : 0);
	put_name(call, scmi_supply_name[call->arg[0]]);
	return SCMI_SUCCESS;
}

static int voltage_describe_levels(struct call *call)
{
	return put_values(call, &supply_levels[call->arg[0]], call->arg[1], 1);
}

static int voltage_config_set(struct call *call)
{
	__u32 mode = call->arg[1] & 0xf;

	if (mode != SUPPLY_ON && mode != SUPPLY_OFF)
		return SCMI_INVALID_PARAMETERS;
	call->scmi->state->supply[call->arg[0]].enabled = mode == SUPPLY_ON;
	return SCMI_SUCCESS;
}

static int voltage_config_get(struct call *call)
{
	put(call, call->scmi->state->supply[call->arg[0]].enabled ?
	    SUPPLY_ON : SUPPLY_OFF);
	return SCMI_SUCCESS;
}

static int voltage_level_set(struct call *call)
{
	bool async = call->arg[1] & LEVEL_ASYNC;

	if (async && !can_delay(call))
		return SCMI_NOT_SUPPORTED;
	if (!scmi_supply_level(call->scmi, call->arg[0], call->arg[2]))
		return SCMI_INVALID_PARAMETERS;
	if (async)
		put_delayed(call, call->arg[0], &call->arg[2], 1);
	return SCMI_SUCCESS;
}

static int voltage_level_get(struct call *call)
{
	put(call, call->scmi->state->supply[call->arg[0]].level);
	return SCMI_SUCCESS;
}

static const struct message voltage_messages[] = {
	{ 0x3, 1, 0, voltage_domain_attributes },
	{ 0x4, 2, 0, voltage_describe_levels },
	{ 0x5, 2, 0, voltage_config_set },
	{ 0x6, 1, 0, voltage_config_get },
	{ 0x7, 3, 0, voltage_level_set },
	{ 0x8, 1, 0, voltage_level_get },
};

bool scmi_supply_level(struct scmi *scmi, __u32 id, __s32 level)
{
	if (id >= SCMI_SUPPLIES || level < 0 ||
	    !has_value(&supply_levels[id], level))
		return false;
	scmi->state->supply[id].level = level;
	return true;
}

/* ---- resets -------------------------------------------------------------- */

static int reset_attributes(struct call *call)
{
	put(call, SCMI_RESETS);
	return SCMI_SUCCESS;
}

static int reset_domain_attributes(struct call *call)
{
	put(call, call->scmi->async ? 1u << 31 : 0);
	put(call, 10);	/* us to reset it */
	put_name(call, scmi_reset_name[call->arg[0]]);
	return SCMI_SUCCESS;
}

static int reset_reset(struct call *call)
{
	__u32 id = call->arg[0], flags = call->arg[1];
	bool async = flags & RESET_ASYNC;

	if (async && !can_delay(call))
		return SCMI_NOT_SUPPORTED;
	if (call->arg[2] != RESET_COLD || (async && !(flags & RESET_AUTO)))
		return SCMI_INVALID_PARAMETERS;
	if (flags & RESET_AUTO)
		call->scmi->state->reset[id].count++;
	else
		call->scmi->state->reset[id].asserted = !!(flags & RESET_ASSERT);
	if (async)
		put_delayed(call, id, call->arg, 0);
	return SCMI_SUCCESS;
}

static const struct message reset_messages[] = {
	{ 0x3, 1, 0, reset_domain_attributes },
	{ 0x4, 3, 0, reset_reset },
};

/* ---- all protocols ------------------------------------------------------- */

static const struct protocol protocols[] = {
	{ SCMI_BASE, 0, 0x20001, base_attributes,
	  base_messages, ARRAY_SIZE(base_messages) },
	{ SCMI_POWER, SCMI_DOMAINS, 0x30001, power_attributes,
	  power_messages, ARRAY_SIZE(power_messages) },
	{ SCMI_CLOCK, SCMI_CLOCKS, 0x30000, clock_protocol_attributes,
	  clock_messages, ARRAY_SIZE(clock_messages) },
	{ SCMI_RESET, SCMI_RESETS, 0x30000, reset_attributes,
	  reset_messages, ARRAY_SIZE(reset_messages) },
	{ SCMI_VOLTAGE, SCMI_SUPPLIES, 0x20001, voltage_attributes,
	  voltage_messages, ARRAY_SIZE(voltage_messages) },
};

/* The base protocol does not count and does not list itself. */
static int base_attributes(struct call *call)
{
	put(call, (ARRAY_SIZE(protocols) - 1) | 1 << 8);
	return SCMI_SUCCESS;
}

static int base_list(struct call *call)
{
	unsigned int i, n = ARRAY_SIZE(protocols) - 1;
	__u32 list = 0;

	if (call->arg[0] >= n)
		return SCMI_INVALID_PARAMETERS;
	n -= call->arg[0];
	for (i = 0; i < n; i++)
		list |= (__u32)protocols[1 + call->arg[0] + i].id << 8 * i;
	put(call, n);
	put(call, list);
	return SCMI_SUCCESS;
}

static int protocol_version(struct call *call)
{
	put(call, call->protocol->version);
	return SCMI_SUCCESS;
}

static int protocol_attributes(struct call *call)
{
	return call->protocol->attributes(call);
}

static const struct message *find_message(const struct protocol *protocol,
					  __u32 id);

static int protocol_message_attributes(struct call *call)
{
	if (!find_message(call->protocol, call->arg[0]))
		return SCMI_NOT_FOUND;
	put(call, 0);
	return SCMI_SUCCESS;
}

static int protocol_negotiate(struct call *call)
{
	return call->arg[0] == call->protocol->version ?
	       SCMI_SUCCESS : SCMI_NOT_SUPPORTED;
}

static const struct message common_messages[] = {
	{ 0x0, 0, -1, protocol_version },
	{ 0x1, 0, -1, protocol_attributes },
	{ 0x2, 1, -1, protocol_message_attributes },
	{ 0x10, 1, -1, protocol_negotiate },
};

static const struct message *find_in(const struct message *message,
				     unsigned int n, __u32 id)
{
	for (; n; n--, message++) {
		if (message->id == id)
			return message;
	}
	return NULL;
}

static const struct message *find_message(const struct protocol *protocol,
					  __u32 id)
{
	const struct message *message;

	message = find_in(common_messages, ARRAY_SIZE(common_messages), id);
	if (message)
		return message;
	return find_in(protocol->message, protocol->messages, id);
}

static const struct protocol *find_protocol(__u32 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (protocols[i].id == id)
			return &protocols[i];
	}
	return NULL;
}

static int dispatch(struct call *call, size_t args_len)
{
	const struct message *message;

	call->protocol = find_protocol(SCMI_HDR_PROTOCOL(call->header));
	if (!call->protocol)
		return SCMI_NOT_SUPPORTED;
	if (SCMI_HDR_TYPE(call->header) != SCMI_COMMAND)
		return SCMI_PROTOCOL_ERROR;
	message = find_message(call->protocol, SCMI_HDR_ID(call->header));
	if (!message)
		return SCMI_NOT_SUPPORTED;
	if (args_len != message->args * sizeof(__u32))
		return SCMI_PROTOCOL_ERROR;
	if (message->object >= 0 &&
	    call->arg[message->object] >= call->protocol->objects)
		return SCMI_NOT_FOUND;
	return message->run(call);
}

size_t scmi_execute(struct scmi *scmi, const void *request, size_t len,
		    void *reply, size_t room)
{
	struct call call = { .scmi = scmi };
	__u32 word[1 + ARRAY_SIZE(call.arg)] = {};
	__u32 head[2];
	unsigned int i;
	int status;

	memcpy(word, request, len < sizeof(word) ? len : sizeof(word));
	call.header = le32toh(word[0]);
	for (i = 0; i < ARRAY_SIZE(call.arg); i++)
		call.arg[i] = le32toh(word[1 + i]);
	if (room > SCMI_REPLY_MAX)
		room = SCMI_REPLY_MAX;
	call.room = (room - SCMI_REPLY_MIN) / sizeof(__u32);

	status = dispatch(&call, len - sizeof(__u32));
	if (status == SCMI_SUCCESS && call.n > call.room)
		status = SCMI_PROTOCOL_ERROR;
	if (status != SCMI_SUCCESS)
		call.n = 0;

	head[0] = word[0];
	head[1] = htole32(status);
	memcpy(reply, head, sizeof(head));
	memcpy((__u8 *)reply + sizeof(head), call.word,
	       call.n * sizeof(__u32));
	return sizeof(head) + call.n * sizeof(__u32);
}

void scmi_reset(struct scmi *scmi)
{
	struct scmi_state *state = scmi->state;
	unsigned int i;

	memset(state, 0, sizeof(*state));
	for (i = 0; i < SCMI_CLOCKS; i++)
		state->clock[i].rate = clock_rates[i].v[0];
	for (i = 0; i < SCMI_SUPPLIES; i++)
		state->supply[i].level = supply_levels[i].v[0];
	state->domain[0].on = true;
}

/* Of a file that somebody may have written */
bool scmi_state_ok(const struct scmi_state *state)
{
	unsigned int i;

	for (i = 0; i < SCMI_CLOCKS; i++) {
		if (!has_value(&clock_rates[i], state->clock[i].rate) ||
		    state->clock[i].enabled > 1 || state->clock[i].notify > 1)
			return false;
	}
	for (i = 0; i < SCMI_SUPPLIES; i++) {
		if (state->supply[i].level < 0 ||
		    !has_value(&supply_levels[i], state->supply[i].level) ||
		    state->supply[i].enabled > 1)
			return false;
	}
	for (i = 0; i < SCMI_DOMAINS; i++) {
		if (state->domain[i].on > 1 || state->domain[i].notify > 1)
			return false;
	}
	for (i = 0; i < SCMI_RESETS; i++) {
		if (state->reset[i].asserted > 1)
			return false;
	}
	return true;
}
