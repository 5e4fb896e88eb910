/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a test has seen: the calls of a fake, in order, and the kernel log.
 */
#ifndef _RECORD_H
#define _RECORD_H

#include <linux/kmsg_dump.h>
#include <linux/seq_buf.h>

#include <kunit/test.h>

struct record {
	struct seq_buf calls;
	char text[4096];
};

static inline void record_init(struct record *record)
{
	seq_buf_init(&record->calls, record->text, sizeof(record->text));
}

/* What was recorded since this was last asked. */
static inline const char *record_take(struct kunit *test, struct record *record)
{
	const char *calls = kunit_kstrdup(test, seq_buf_str(&record->calls),
					  GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, calls);
	KUNIT_ASSERT_FALSE(test, seq_buf_has_overflowed(&record->calls));
	seq_buf_clear(&record->calls);

	return calls;
}

/* The part of it that begins with the first call of @name. */
static inline const char *record_take_from(struct kunit *test,
					   struct record *record,
					   const char *name)
{
	const char *calls = strstr(record_take(test, record), name);

	KUNIT_ASSERT_NOT_NULL_MSG(test, calls, "%s was not called", name);

	return calls;
}

/* Where the kernel log ends now. */
static inline u64 kernel_log_end(void)
{
	struct kmsg_dump_iter iter;

	kmsg_dump_rewind(&iter);

	return iter.next_seq;
}

/* How many lines since then have @text in them. */
static inline unsigned int kernel_log_count(u64 start, const char *text)
{
	struct kmsg_dump_iter iter = { .cur_seq = start };
	unsigned int count = 0;
	char line[320];
	size_t len;

	while (kmsg_dump_get_line(&iter, true, line, sizeof(line), &len))
		count += !!strnstr(line, text, len);

	return count;
}

#endif /* _RECORD_H */
