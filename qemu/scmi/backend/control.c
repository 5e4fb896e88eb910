// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket's commands. A test reads here what is true on the
 * platform's side, and asks for faults.
 */
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "util.h"

#define WORDS_MAX	8

const char control_help[] =
"state                   each clock, supply and domain: what is true now\n"
"state stop              what was when the command queue stopped last\n"
"counters                what happened since the start or 'counters reset'\n"
"counters reset\n"
"reset                   state of power-on, no faults, held commands released\n"
"set clock ID rate HZ    change something as the platform itself: who has\n"
"set clock ID enabled 0|1    subscribed to it is notified\n"
"set supply ID level UV\n"
"set supply ID enabled 0|1\n"
"set domain ID on 0|1\n"
"notify clock|domain ID  notify the present state, as if it had changed\n"
"tick MS clock|domain ID     the same every MS milliseconds; 'tick 0' ends it\n"
"delay MS                execute and answer each command MS milliseconds later\n"
"fault hold N [P[:M]]    the next N commands (of protocol P, message M) are\n"
"                            neither executed nor answered\n"
"fault late:MS N [P[:M]] ... are executed and answered MS milliseconds later\n"
"fault token N [P[:M]]   ... are answered with another token\n"
"fault short N [P[:M]]   ... are answered with the header alone\n"
"fault status:S N [P[:M]]    ... are not executed, the answer is status S\n"
"fault none              no more of that\n"
"release                 execute and answer the held commands after all\n"
"disconnect [MS]         close the vhost-user connection, accept a new one\n"
"                            after MS milliseconds\n"
"help                    this\n";

struct line {
	struct backend *b;
	FILE *out;
	char *word[WORDS_MAX];
	unsigned int words;
};

static bool number(const char *text, __u64 *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*value = strtoull(text, &end, 0);
	return !*end;
}

/* The word at an index as a number no bigger than max */
static bool arg(const struct line *l, unsigned int i, __u64 max, __u64 *value)
{
	return i < l->words && number(l->word[i], value) && *value <= max;
}

static bool is(const struct line *l, unsigned int i, const char *text)
{
	return i < l->words && !strcmp(l->word[i], text);
}

#define MS_MAX	3600000	/* an hour, in all commands */

static const char *cmd_help(struct line *l)
{
	fputs(control_help, l->out);
	return NULL;
}

static const char *cmd_state(struct line *l)
{
	const struct scmi_state *s = l->b->scmi.state;
	unsigned int i;

	if (is(l, 1, "stop"))
		s = &l->b->stopped;
	else if (l->words > 1)
		return "state, or state stop";
	for (i = 0; i < SCMI_CLOCKS; i++)
		fprintf(l->out, "clock %u %s enabled %u rate %llu notify %u\n",
			i, scmi_clock_name[i], s->clock[i].enabled,
			s->clock[i].rate, s->clock[i].notify);
	for (i = 0; i < SCMI_SUPPLIES; i++)
		fprintf(l->out, "supply %u %s enabled %u level %d\n",
			i, scmi_supply_name[i], s->supply[i].enabled,
			s->supply[i].level);
	for (i = 0; i < SCMI_DOMAINS; i++)
		fprintf(l->out, "domain %u %s on %u notify %u\n",
			i, scmi_domain_name[i], s->domain[i].on,
			s->domain[i].notify);
	for (i = 0; i < SCMI_RESETS; i++)
		fprintf(l->out, "reset %u %s asserted %u count %u\n",
			i, scmi_reset_name[i], s->reset[i].asserted,
			s->reset[i].count);
	return NULL;
}

static unsigned int count_pending(const struct backend *b, bool held)
{
	const struct pending *p;
	unsigned int n = 0;

	for (p = b->pending; p; p = p->next)
		n += (p->due == NEVER) == held;
	return n;
}

static const char *cmd_counters(struct line *l)
{
	struct backend *b = l->b;
	const struct counters *c = &b->counters;
	const struct {
		const char *name;
		__u64 value;
	} lines[] = {
		{ "other", c->other },
		{ "malformed", c->malformed },
		{ "masked", c->masked },
		{ "unmasked", c->unmasked },
		{ "answered", c->answered },
		{ "calls", c->calls },
		{ "no_calls", c->no_calls },
		{ "delayed", count_pending(b, false) },
		{ "held", count_pending(b, true) },
		{ "lost", c->lost },
		{ "stops", c->stops },
		{ "events", c->events },
		{ "events_waiting", b->events },
		{ "events_dropped", c->events_dropped },
		{ "connections", c->connections },
		{ "resets", c->resets },
		{ "status", b->status },
		{ "cmdq_running", queue_running(&b->queue[CMDQ]) },
		{ "eventq_running", queue_running(&b->queue[EVENTQ]) },
		{ "event_idx", b->queue[CMDQ].event_idx },
		{ "last_us", c->last_us },
		{ "now_us", b->now },
	};
	unsigned int i, j;

	if (is(l, 1, "reset")) {
		memset(&b->counters, 0, sizeof(b->counters));
		return NULL;
	}
	if (l->words > 1)
		return "counters, or counters reset";
	for (i = 0; i < ARRAY_SIZE(c->message); i++) {
		for (j = 0; j < ARRAY_SIZE(c->message[0]); j++) {
			if (c->message[i][j])
				fprintf(l->out, "message %#x:%#x %llu\n",
					SCMI_BASE + i, j, c->message[i][j]);
		}
		if (c->responses[i])
			fprintf(l->out, "responses %#x %llu\n", SCMI_BASE + i,
				c->responses[i]);
	}
	for (i = 0; i < ARRAY_SIZE(lines); i++)
		fprintf(l->out, "%s %llu\n", lines[i].name, lines[i].value);
	for (i = 0; i < QUEUES; i++) {
		if (b->queue[i].broken)
			fprintf(l->out, "broken %u %s\n", i,
				b->queue[i].broken);
	}
	return NULL;
}

static const char *cmd_reset(struct line *l)
{
	backend_reset(l->b);
	return NULL;
}

static const char *cmd_set(struct line *l)
{
	struct scmi *scmi = &l->b->scmi;
	__u64 id, value;

	if (l->words != 5 || !arg(l, 2, 0xff, &id) ||
	    !arg(l, 4, NEVER, &value))
		return "set clock|supply|domain ID rate|level|enabled|on VALUE";

	if (is(l, 1, "clock") && is(l, 3, "rate"))
		return scmi_clock_rate(scmi, SCMI_PLATFORM, id, value) ?
		       NULL : "no such clock, or it cannot have this rate";
	if (is(l, 1, "supply") && is(l, 3, "level"))
		return value <= 0x7fffffff &&
		       scmi_supply_level(scmi, id, value) ?
		       NULL : "no such supply, or it cannot have this level";
	if (value > 1)
		return "the value must be 0 or 1";
	if (is(l, 1, "domain") && is(l, 3, "on"))
		return scmi_domain_power(scmi, SCMI_PLATFORM, id, value) ?
		       NULL : "no such domain";
	if (is(l, 1, "clock") && is(l, 3, "enabled") && id < SCMI_CLOCKS)
		scmi->state->clock[id].enabled = value;
	else if (is(l, 1, "supply") && is(l, 3, "enabled") && id < SCMI_SUPPLIES)
		scmi->state->supply[id].enabled = value;
	else
		return "no such thing to set";
	return NULL;
}

/* clock|domain ID, from word i on */
static bool source(const struct line *l, unsigned int i, bool *clock, __u64 *id)
{
	*clock = is(l, i, "clock");
	return l->words == i + 2 && (*clock || is(l, i, "domain")) &&
	       arg(l, i + 1, (*clock ? SCMI_CLOCKS : SCMI_DOMAINS) - 1, id);
}

static const char *cmd_notify(struct line *l)
{
	struct scmi *scmi = &l->b->scmi;
	bool clock;
	__u64 id;

	if (!source(l, 1, &clock, &id))
		return "notify clock|domain ID";
	if (clock ? !scmi_clock_notify(scmi, SCMI_PLATFORM, id) :
		    !scmi_domain_notify(scmi, SCMI_PLATFORM, id))
		return "the guest has not subscribed to that";
	return NULL;
}

static const char *cmd_tick(struct line *l)
{
	struct backend *b = l->b;
	bool clock = false;
	__u64 ms, id = 0;

	if (!arg(l, 1, MS_MAX, &ms) ||
	    !(ms ? source(l, 2, &clock, &id) : l->words == 2))
		return "tick MS clock|domain ID, or tick 0";
	b->ticker.period_us = ms * 1000;
	b->ticker.due = b->now + b->ticker.period_us;
	b->ticker.clock = clock;
	b->ticker.id = id;
	return NULL;
}

static const char *cmd_delay(struct line *l)
{
	__u64 ms;

	if (l->words != 2 || !arg(l, 1, MS_MAX, &ms))
		return "delay MS";
	l->b->delay_us = ms * 1000;
	return NULL;
}

static bool fault_kind(const char *word, struct fault *fault)
{
	static const struct {
		const char *name;
		enum fault_kind kind;
	} kinds[] = {
		{ "hold", FAULT_HOLD },
		{ "token", FAULT_TOKEN },
		{ "short", FAULT_SHORT },
	};
	unsigned int i;
	__u64 status, ms;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		fault->kind = kinds[i].kind;
		if (!strcmp(word, kinds[i].name))
			return true;
	}
	if (!strncmp(word, "late:", 5)) {
		fault->kind = FAULT_LATE;
		if (!number(word + 5, &ms) || ms > MS_MAX)
			return false;
		fault->late_us = ms * 1000;
		return true;
	}
	fault->kind = FAULT_STATUS;
	if (strncmp(word, "status:-", 8) || !number(word + 8, &status) ||
	    !status || status > 0x7fffffff)
		return false;
	fault->status = -(int)status;
	return true;
}

/* P or P:M */
static bool fault_filter(char *word, struct fault *fault)
{
	char *colon = strchr(word, ':');
	__u64 value;

	if (colon) {
		*colon = '\0';
		if (!number(colon + 1, &value) || value > 0xff)
			return false;
		fault->message = value;
	}
	if (!number(word, &value) || value > 0xff)
		return false;
	fault->protocol = value;
	return true;
}

static const char *cmd_fault(struct line *l)
{
	struct fault fault = { .protocol = -1, .message = -1 };
	__u64 n;

	if (is(l, 1, "none") && l->words == 2) {
		l->b->fault.left = 0;
		return NULL;
	}
	if (l->words < 3 || l->words > 4 || !fault_kind(l->word[1], &fault) ||
	    !arg(l, 2, 0xffffffff, &n) ||
	    (l->words == 4 && !fault_filter(l->word[3], &fault)))
		return "fault hold|late:MS|token|short|status:-S N [P[:M]], or fault none";
	fault.left = n;
	l->b->fault = fault;
	return NULL;
}

static const char *cmd_release(struct line *l)
{
	backend_release(l->b);
	return NULL;
}

static const char *cmd_disconnect(struct line *l)
{
	__u64 ms = 0;

	if (l->words > 2 || (l->words == 2 && !arg(l, 1, MS_MAX, &ms)))
		return "disconnect [MS]";
	l->b->disconnect = true;
	l->b->listen_at = l->b->now + ms * 1000;
	return NULL;
}

void control_line(struct backend *b, char *text, FILE *out)
{
	static const struct {
		const char *name;
		const char *(*run)(struct line *l);
	} commands[] = {
		{ "help", cmd_help },
		{ "state", cmd_state },
		{ "counters", cmd_counters },
		{ "reset", cmd_reset },
		{ "set", cmd_set },
		{ "notify", cmd_notify },
		{ "tick", cmd_tick },
		{ "delay", cmd_delay },
		{ "fault", cmd_fault },
		{ "release", cmd_release },
		{ "disconnect", cmd_disconnect },
	};
	struct line l = { .b = b, .out = out };
	const char *error = "unknown command; try help";
	char *save, *word = strtok_r(text, " \t\r\n", &save);
	unsigned int i;

	for (; word && l.words < WORDS_MAX; l.words++) {
		l.word[l.words] = word;
		word = strtok_r(NULL, " \t\r\n", &save);
	}
	for (i = 0; i < ARRAY_SIZE(commands) && !word; i++) {
		if (is(&l, 0, commands[i].name)) {
			error = commands[i].run(&l);
			break;
		}
	}
	if (error)
		fprintf(out, "error: %s\n", error);
	else
		fprintf(out, "ok\n");
}
