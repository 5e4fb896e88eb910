// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests for arm-smmu-v3 in system sleep: what becomes of transactions, commands,
 * events and errors, and what it does with an SMMU that does not come back.
 */
#include "fake_smmu.h"

#define HW_MSIS		2

static const struct sleep_case {
	const char *desc;
	struct sleep_ops ops;
} sleep_cases[] = {
	{ "suspend, resume", SLEEP_OPS(suspend, resume) },
	{ "freeze, thaw", SLEEP_OPS(freeze, thaw) },
	{ "freeze, restore", SLEEP_OPS(freeze, restore) },
	{ "poweroff, restore", SLEEP_OPS(poweroff, restore) },
};

KUNIT_ARRAY_PARAM_DESC(sleep, sleep_cases, desc);

static void hw_deafen_gbpa(void)
{
	hw.deaf_gbpa = true;
}

static void hw_deafen_smmuen(void)
{
	hw.deaf_cr0 = CR0_SMMUEN;
}

static void hw_deafen_cmdqen(void)
{
	hw.deaf_cr0 = CR0_CMDQEN;
}

static void hw_deafen_evtqen(void)
{
	hw.deaf_cr0 = CR0_EVTQEN;
}

static void hw_deafen_irq_ctrl(void)
{
	hw.deaf_irq_ctrl = true;
}

static void hw_stick(void)
{
	hw.stuck = true;
}

static void hw_hang(void)
{
	hw.hangs = true;
}

/* What can fail, and whether the SMMU can be put back then */
struct fail_case {
	const char *desc;
	void (*fail)(void);
	bool back;
};

static const struct fail_case suspend_failures[] = {
	{ "GBPA", hw_deafen_gbpa, true },
	{ "the command queue", hw_stick },
	{ "SMMUEN", hw_deafen_smmuen },
	{ "CMDQEN", hw_deafen_cmdqen },
	{ "EVTQEN", hw_deafen_evtqen },
	{ "IRQ_CTRL", hw_deafen_irq_ctrl },
	{ "all, in the middle", hw_hang },
};

KUNIT_ARRAY_PARAM_DESC(suspend_fails, suspend_failures, desc);

static const struct fail_case resume_failures[] = {
	{ "the command queue", hw_stick },
	{ "SMMUEN", hw_deafen_smmuen },
	{ "CMDQEN", hw_deafen_cmdqen },
	{ "EVTQEN", hw_deafen_evtqen },
};

KUNIT_ARRAY_PARAM_DESC(resume_fails, resume_failures, desc);

static const struct id_case {
	const char *desc;
	unsigned int reg;
	u32 bits;
} ids[] = {
	{ "stage 2", ARM_SMMU_IDR0, IDR0_S2P },
	{ "queues", ARM_SMMU_IDR1, FIELD_PREP_CONST(IDR1_CMDQS, 1) },
	{ "range invalidation", ARM_SMMU_IDR3, IDR3_RIL },
	{ "output addresses", ARM_SMMU_IDR5, FIELD_PREP_CONST(IDR5_OAS, 1) },
	{ "errata", ARM_SMMU_IIDR, FIELD_PREP_CONST(IIDR_REVISION, 1) },
};

KUNIT_ARRAY_PARAM_DESC(id, ids, desc);

static const struct failure_case {
	const char *desc;
	u32 features;
	bool handled;
} failures[] = {
	{ "handled", 0, true },
	{ "pending", 0, false },
	{ "handled, page requests", IDR0_PRI, true },
	{ "pending, page requests", IDR0_PRI, false },
};

KUNIT_ARRAY_PARAM_DESC(failure, failures, desc);

static int hw_issue(void)
{
	return arm_smmu_cmdq_issue_cmd_with_sync(hw_smmu(), arm_smmu_make_cmd_cfgi_all());
}

/* It works as ever, with all that it was probed with. */
static void hw_expect_alive(struct kunit *test)
{
	u32 enables = CR0_SMMUEN | CR0_CMDQEN | CR0_EVTQEN;
	u32 irqs = IRQ_CTRL_EVTQ_IRQEN | IRQ_CTRL_GERROR_IRQEN;

	if (hw_smmu()->features & ARM_SMMU_FEAT_PRI) {
		enables |= CR0_PRIQEN;
		irqs |= IRQ_CTRL_PRIQ_IRQEN;
	}
	KUNIT_EXPECT_STREQ(test, hw_transaction(), "translated");
	KUNIT_EXPECT_EQ(test, *hw_reg(ARM_SMMU_CR0ACK), enables);
	KUNIT_EXPECT_EQ(test, *hw_reg(ARM_SMMU_IRQ_CTRLACK), irqs);
	KUNIT_EXPECT_EQ(test, *hw_reg(ARM_SMMU_GBPA), HW_GBPA);
	KUNIT_EXPECT_EQ(test, hw_issue(), 0);
	KUNIT_EXPECT_EQ(test, *hw_reg(ARM_SMMU_CMDQ_PROD),
			*hw_reg(ARM_SMMU_CMDQ_CONS));
	KUNIT_EXPECT_EQ(test, hw_smmu()->cmdq.q.llq.prod,
			*hw_reg(ARM_SMMU_CMDQ_PROD));
}

/* Nothing gets through, and nobody is told anything. */
static void hw_expect_dead(struct kunit *test)
{
	unsigned int commands = hw.commands;
	u64 log_start = kernel_log_end();

	KUNIT_EXPECT_STREQ(test, hw_transaction(), "aborted");
	KUNIT_EXPECT_EQ(test, *hw_reg(ARM_SMMU_CR0), 0);
	KUNIT_EXPECT_EQ(test, hw_issue(), 0);
	/* As iommufd does */
	KUNIT_EXPECT_EQ(test, __arm_smmu_cmdq_issue_cmdlist(hw_smmu(), &hw_smmu()->cmdq,
							    NULL, 0, true), 0);
	KUNIT_EXPECT_EQ(test, hw.commands, commands);
	KUNIT_EXPECT_EQ(test, kernel_log_count(log_start, "CMD_SYNC timeout"), 0);
}

/* Nobody believes that something was invalidated as long as it may be used. */
static void hw_expect_honest(struct kunit *test)
{
	unsigned int commands = hw.commands;

	if (hw_enabled(CR0_SMMUEN))
		KUNIT_EXPECT_TRUE(test, hw_issue() || hw.commands > commands);
}

static void hw_down(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, hw_suspend(), 0);
	hw_expect_dead(test);
}

static void hw_up(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, hw_resume(), 0);
	hw_expect_alive(test);
}

static void hw_cycle(struct kunit *test)
{
	hw_down(test);
	hw_lose_power();
	hw_up(test);
}

/* Test that an SMMU that lost its registers works as before, in each transition. */
static void smmu_lost_all(struct kunit *test)
{
	const struct sleep_case *param = test->param_value;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_EQ(test, hw_call(param->ops.down_noirq), 0);
		hw_expect_dead(test);
		KUNIT_EXPECT_EQ(test, *hw_reg(ARM_SMMU_IRQ_CTRLACK), 0);
		hw_lose_power();
		KUNIT_ASSERT_EQ(test, hw_call(param->ops.up_noirq), 0);
		hw_expect_alive(test);
	}
}

/* Test that one that lost nothing does, too, and is invalidated all the same. */
static void smmu_lost_nothing(struct kunit *test)
{
	hw_down(test);
	hw_up(test);
}

/* Test that it does after many more commands than fit in the queue. */
static void smmu_queue_wraps(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < BIT(HW_CMDQ_SHIFT) && !test->status; i++)
		hw_cycle(test);
}

/* Test that after the driver, at shutdown, GBPA is what it was before it. */
static void smmu_gbpa_as_before(struct kunit *test)
{
	hw_exit(test);
	hw_gbpa = HW_GBPA | GBPA_ABORT;
	hw_init(test, 0);
	hw_gbpa = HW_GBPA;
	KUNIT_ASSERT_EQ(test, hw_suspend(), 0);
	hw_lose_power();
	KUNIT_EXPECT_EQ(test, hw_resume(), 0);
	KUNIT_EXPECT_EQ(test, *hw_reg(ARM_SMMU_GBPA), HW_GBPA | GBPA_ABORT);
}

/* Test that EL2's TLB is invalidated where there is one. */
static void smmu_el2(struct kunit *test)
{
	hw_exit(test);
	hw_init(test, IDR0_HYP);
	hw_cycle(test);
}

/* Test that what is pending is in nobody's way: before, meanwhile, and in both. */
static void smmu_error_pending(struct kunit *test)
{
	hw_raise_error();
	hw_down(test);
	hw_up(test);

	hw_down(test);
	hw_raise_error();
	hw_up(test);
}

/* Commands of which none is fetched */
static void hw_leave_no_room(void)
{
	struct arm_smmu_ll_queue llq;

	for (;;) {
		llq = hw_smmu()->cmdq.q.llq;
		llq.cons = *hw_reg(ARM_SMMU_CMDQ_CONS);
		if (queue_full(&llq))
			return;

		arm_smmu_cmdq_issue_cmd(hw_smmu(), arm_smmu_make_cmd_cfgi_all());
	}
}

/* Test that one that was left behind is not in the way of probe. */
static void smmu_error_left_behind(struct kunit *test)
{
	hw_exit(test);
	hw_gerror = GERROR_CMDQ_ERR;
	hw_init(test, 0);
	hw_expect_alive(test);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "CMD_SYNC timeout"), 0);
}

/*
 * Test that an SMMU that failed does not keep the system from sleep, and is set up again if
 * it has lost its power then.
 */
static void smmu_service_failure(struct kunit *test)
{
	const struct failure_case *param = test->param_value;
	u64 before;

	hw_exit(test);
	hw_init(test, param->features);
	hw_page_request();
	hw_fail_service();
	if (param->handled) {
		arm_smmu_gerror_handler(0, hw_smmu());
		KUNIT_ASSERT_FALSE(test, hw_enabled(CR0_SMMUEN));
		hw_leave_no_room();
	}
	before = hw_waited_us;
	hw_down(test);
	KUNIT_EXPECT_LT(test, hw_waited_us - before, ARM_SMMU_POLL_TIMEOUT_US);
	KUNIT_EXPECT_EQ(test, hw_resume(), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "DMA is blocked"), 1);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "CMD_SYNC timeout"), 1);
	hw_cycle(test);
}

/* Test that a command that is an error is skipped before the sleep. */
static void smmu_illegal_command(struct kunit *test)
{
	u64 before;

	hw.illegal = CMDQ_OP_PREFETCH_CFG;
	arm_smmu_cmdq_issue_cmd(hw_smmu(),
				arm_smmu_make_cmd_op(CMDQ_OP_PREFETCH_CFG));
	KUNIT_ASSERT_NE(test, *hw_reg(ARM_SMMU_CMDQ_CONS) & CMDQ_CONS_ERR, 0);
	before = hw_waited_us;
	hw_cycle(test);
	KUNIT_EXPECT_LT(test, hw_waited_us - before, ARM_SMMU_POLL_TIMEOUT_US);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "Illegal command"), 1);
}

/* Test that so is the next one, which stops the queue while it is waited for. */
static void smmu_illegal_commands(struct kunit *test)
{
	unsigned int i;

	hw.illegal = CMDQ_OP_PREFETCH_CFG;
	for (i = 0; i < 3; i++)
		arm_smmu_cmdq_issue_cmd(hw_smmu(),
					arm_smmu_make_cmd_op(CMDQ_OP_PREFETCH_CFG));
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "Illegal command"), 3);
}

/* Test that one that does not answer is waited for once, and once more in its reset. */
static void smmu_stuck_once(struct kunit *test)
{
	hw.stuck = true;
	KUNIT_EXPECT_EQ(test, hw_suspend(), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "CMD_SYNC timeout"), 2);
	hw_heal();
	hw_cycle(test);
}

/* Test that one that works, but for its command queue, is put back. */
static void smmu_queue_off(struct kunit *test)
{
	hw_write_reg(ARM_SMMU_CR0, *hw_reg(ARM_SMMU_CR0) & ~CR0_CMDQEN);
	KUNIT_EXPECT_EQ(test, hw_suspend(), -ETIMEDOUT);
	hw_expect_alive(test);
	hw_cycle(test);
}

/* Test that an error that CMDQ_CONS had when the driver gave up is not written back. */
static void smmu_error_in_cons(struct kunit *test)
{
	hw.illegal = CMDQ_OP_CMD_SYNC;
	KUNIT_EXPECT_EQ(test, hw_suspend(), -ETIMEDOUT);
	KUNIT_EXPECT_STREQ(test, hw_transaction(), "aborted");

	hw.illegal = U8_MAX;
	KUNIT_EXPECT_EQ(test, hw_suspend(), 0);
	hw_lose_power();
	hw_up(test);
}

/*
 * Test that events of before, and those that come meanwhile, are in the log, and the queue
 * goes on where it was.
 */
static void smmu_events(struct kunit *test)
{
	unsigned int i;

	for (i = 1; i <= 3; i++) {
		hw_event();
		hw_grace_period = hw_event;
		KUNIT_EXPECT_EQ(test, hw_unread(), 1);
		hw_cycle(test);
		KUNIT_EXPECT_EQ(test, hw_unread(), 0);
		KUNIT_EXPECT_EQ(test, hw_smmu()->evtq.q.llq.prod,
				*hw_reg(ARM_SMMU_EVTQ_PROD + SZ_64K));
		KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "event: F_TRANSLATION"),
				2 * i);
	}
}

/* An SMMU that takes requests for pages, and has one */
static void hw_ask_for_page(struct kunit *test)
{
	hw_exit(test);
	hw_init(test, IDR0_PRI);
	hw_page_request();
}

/* Test that requests for pages of before are answered, and those meanwhile in the log. */
static void smmu_page_requests(struct kunit *test)
{
	hw_ask_for_page(test);
	hw_grace_period = hw_page_request;
	hw.lazy = true;
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw.answers, 1);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "unexpected PRI request"), 2);
	hw_expect_alive(test);
}

/* Test that an error is in no answer's way, in a queue that has filled up behind it. */
static void smmu_page_request_and_error(struct kunit *test)
{
	unsigned int i;

	hw_ask_for_page(test);
	hw.illegal = CMDQ_OP_PREFETCH_CFG;
	arm_smmu_cmdq_issue_cmd(hw_smmu(),
				arm_smmu_make_cmd_op(CMDQ_OP_PREFETCH_CFG));
	for (i = 1; i < BIT(HW_CMDQ_SHIFT); i++)
		arm_smmu_cmdq_issue_cmd(hw_smmu(), arm_smmu_make_cmd_cfgi_all());

	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw.answers, 1);
}

/* Two errors, and no room behind them */
static void hw_fill_up(void)
{
	struct arm_smmu_cmd cmd = arm_smmu_make_cmd_op(CMDQ_OP_PREFETCH_CFG);
	unsigned int i;

	hw.illegal = CMDQ_OP_PREFETCH_CFG;
	for (i = 0; i < BIT(HW_CMDQ_SHIFT); i++) {
		arm_smmu_cmdq_insert_cmdlist(hw_smmu(), &hw_smmu()->cmdq, &cmd, 1, false);
		if (i)
			cmd = arm_smmu_make_cmd_cfgi_all();
	}
}

/* Test that answers, and what waits for them, find room in a queue with several errors. */
static void smmu_page_requests_and_errors(struct kunit *test)
{
	hw_ask_for_page(test);
	hw_page_request();
	hw_page_request();
	hw_fill_up();
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw.answers, 3);
}

/* A command of another CPU, which began in time, but has no room yet */
static void hw_wait_for_room(void)
{
	struct arm_smmu_cmd cmd = arm_smmu_make_cmd_cfgi_all();

	if (!hw.stuck)
		hw_fill_up();
	arm_smmu_cmdq_insert_cmdlist(hw_smmu(), &hw_smmu()->cmdq, &cmd, 1, true);
}

/* Test that suspend does not wait for who waits for room, when an error stops the queue. */
static void smmu_no_room(struct kunit *test)
{
	hw_grace_period = hw_wait_for_room;
	hw_down(test);
	/* Behind what was in the queue */
	KUNIT_EXPECT_TRUE(test, hw_is_awaited(hw_reg64(ARM_SMMU_CMDQ_BASE)));
	hw_lose_power();
	hw_up(test);
	KUNIT_EXPECT_PTR_EQ(test, hw_grace_period, NULL);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "Illegal command"), 2);
}

/* Test that it does not either if nothing ever makes room, and that nobody else does. */
static void smmu_no_room_ever(struct kunit *test)
{
	hw.stuck = true;
	hw_leave_no_room();
	hw_grace_period = hw_wait_for_room;
	KUNIT_EXPECT_EQ(test, hw_suspend(), -ETIMEDOUT);
	KUNIT_EXPECT_PTR_EQ(test, hw_grace_period, NULL);
	KUNIT_EXPECT_STREQ(test, hw_transaction(), "aborted");
	KUNIT_EXPECT_EQ(test, hw_issue(), 0);
	hw_heal();
	hw_cycle(test);
}

/* Test that so it is where suspend gives up before, and the queue is off already. */
static void smmu_no_room_in_rollback(struct kunit *test)
{
	hw_exit(test);
	hw_init(test, IDR0_PRI);
	smmu_no_room_ever(test);
}

/* Test that an answer does not wait for room there. */
static void smmu_no_room_for_answer(struct kunit *test)
{
	hw_ask_for_page(test);
	hw.stuck = true;
	hw_leave_no_room();
	KUNIT_EXPECT_EQ(test, hw_suspend(), -ETIMEDOUT);
	KUNIT_EXPECT_STREQ(test, hw_transaction(), "aborted");
}

/* Whether a command that is issued now is dropped */
static bool hw_drops(void)
{
	unsigned int commands = hw.commands;

	return !hw_issue() && hw.commands == commands;
}

/* Whether it still translates when commands are dropped */
static bool hw_drops_in_use;

static void hw_issue_meanwhile(void)
{
	hw_drops_in_use = hw_enabled(CR0_SMMUEN) && hw_drops();
}

/* Test that nothing is in use any more when the first command is dropped. */
static void smmu_stops_translating_first(struct kunit *test)
{
	hw_drops_in_use = true;
	hw_grace_period = hw_issue_meanwhile;
	hw_cycle(test);
	KUNIT_EXPECT_FALSE(test, hw_drops_in_use);
}

/* Test that this is so, too, if suspend fails, and that they are dropped then. */
static void smmu_page_request_unanswered(struct kunit *test)
{
	hw_ask_for_page(test);
	hw.stuck = true;
	hw_drops_in_use = true;
	hw_grace_period = hw_issue_meanwhile;
	KUNIT_EXPECT_EQ(test, hw_suspend(), -ETIMEDOUT);
	KUNIT_EXPECT_FALSE(test, hw_drops_in_use);
	KUNIT_EXPECT_STREQ(test, hw_transaction(), "aborted");
}

/* Test that a device whose DMA faults all the time does not hold up the sleep. */
static void smmu_event_storm(struct kunit *test)
{
	hw.storm = true;
	hw_event();
	hw_cycle(test);
	KUNIT_EXPECT_LT(test, hw.events, HW_STORM);
	KUNIT_EXPECT_EQ(test, hw_unread(), 0);
}

static unsigned int hw_begun;

/* A command of another CPU, which looked before the SMMU was suspended */
static void hw_finish_issuing(void)
{
	unsigned int commands = hw.commands;

	arm_smmu_cmdq_insert_cmdlist(hw_smmu(), &hw_smmu()->cmdq, NULL, 0, true);
	hw_begun = hw_smmu()->suspended ? hw.commands - commands : 0;
}

/* Test that a command that has begun is waited for, and gets through. */
static void smmu_commands_begun(struct kunit *test)
{
	hw_issue();
	KUNIT_EXPECT_TRUE(test, hw.guarded);

	hw_begun = 0;
	hw_grace_period = hw_finish_issuing;
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_begun, 1);
}

static void hw_resume_meanwhile(void)
{
	hw_resume();
	hw.commands = 0;
}

/* Test that a command is not dropped when everything has been invalidated already. */
static void smmu_resumes_meanwhile(struct kunit *test)
{
	hw_down(test);
	hw_barrier = hw_resume_meanwhile;
	KUNIT_EXPECT_EQ(test, hw_issue(), 0);
	/* It and its CMD_SYNC */
	KUNIT_EXPECT_EQ(test, hw.commands, 2);
	hw_expect_alive(test);
}

/* Interrupts that are messages: two of ours, and one that only gets to the line as one */
static void hw_use_msis(struct kunit *test, struct msi_desc *descs)
{
	static const u16 index[HW_MSIS] = { GERROR_MSI_INDEX, EVTQ_MSI_INDEX };
	struct msi_msg msg = { .address_hi = 1 };
	unsigned int i;
	int irq;

	irq = irq_alloc_descs(-1, 1, HW_MSIS, NUMA_NO_NODE);
	KUNIT_ASSERT_GT(test, irq, 0);
	for (i = 0; i < HW_MSIS; i++) {
		descs[i].irq = irq + i;
		descs[i].nvec_used = 1;
		descs[i].msi_index = index[i];
		descs[i].dev = &hw.pdev->dev;
		irq_set_msi_desc(irq + i, &descs[i]);
	}
	hw_smmu()->gerr_irq = irq;
	hw_smmu()->evtq.q.irq = irq + 1;

	*hw_reg(ARM_SMMU_IRQ_CTRLACK) = 0;
	for (i = 0; i < HW_MSIS; i++) {
		msg.address_lo = 0x1000 * (i + 1);
		msg.data = 8 + i;
		arm_smmu_write_msi_msg(&descs[i], &msg);
	}
}

static void hw_drop_msis(const struct msi_desc *descs)
{
	hw_smmu()->gerr_irq = 0;
	hw_smmu()->evtq.q.irq = 0;
	irq_set_msi_desc(descs[0].irq, NULL);
	irq_set_msi_desc(descs[1].irq, NULL);
	irq_free_descs(descs[0].irq, HW_MSIS);
}

static void hw_expect_msi(struct kunit *test, unsigned int cfg, u64 address, u32 data)
{
	KUNIT_EXPECT_EQ(test, hw_reg64(cfg), address);
	KUNIT_EXPECT_EQ(test, *hw_reg(cfg + 8), data);
	/* Device-nGnRE */
	KUNIT_EXPECT_EQ(test, *hw_reg(cfg + 12), 1);
}

/* Test that messages go where they went, when they are enabled. */
static void smmu_msis(struct kunit *test)
{
	struct msi_desc descs[HW_MSIS] = { };

	hw_use_msis(test, descs);
	hw_cycle(test);
	hw_expect_msi(test, ARM_SMMU_GERROR_IRQ_CFG0, SZ_4G + 0x1000, 8);
	hw_expect_msi(test, ARM_SMMU_EVTQ_IRQ_CFG0, SZ_4G + 0x2000, 9);
	hw_drop_msis(descs);
}

/* Test that a line that becomes a message elsewhere is no message of the SMMU. */
static void smmu_msi_of_bridge(struct kunit *test)
{
	struct msi_desc descs[HW_MSIS] = { };
	struct platform_device *bridge;

	bridge = platform_device_register_simple("fake-bridge", PLATFORM_DEVID_NONE, NULL, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, bridge);
	hw_use_msis(test, descs);
	descs[0].dev = &bridge->dev;
	platform_set_drvdata(bridge, hw_smmu());
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_reg64(ARM_SMMU_GERROR_IRQ_CFG0), 0);
	hw_expect_msi(test, ARM_SMMU_EVTQ_IRQ_CFG0, SZ_4G + 0x2000, 9);
	hw_drop_msis(descs);
	platform_device_unregister(bridge);
}

/* Test that what another system left in the registers of messages is not used. */
static void smmu_msis_of_others(struct kunit *test)
{
	hw_down(test);
	*hw_reg(ARM_SMMU_GERROR_IRQ_CFG0) = SZ_4K;
	*hw_reg(ARM_SMMU_EVTQ_IRQ_CFG0) = SZ_4K;
	hw_up(test);
	KUNIT_EXPECT_EQ(test, hw_reg64(ARM_SMMU_GERROR_IRQ_CFG0), 0);
	KUNIT_EXPECT_EQ(test, hw_reg64(ARM_SMMU_EVTQ_IRQ_CFG0), 0);
}

/*
 * Test that an SMMU that cannot be suspended works as before, and can be later; that no
 * command is dropped meanwhile that was needed, and no event is lost.
 */
static void smmu_suspend_fails(struct kunit *test)
{
	const struct fail_case *param = test->param_value;
	int ret;

	hw_event();
	hw_drops_in_use = false;
	hw_grace_period = hw_issue_meanwhile;
	param->fail();
	ret = hw_suspend();
	KUNIT_EXPECT_EQ(test, ret, -ETIMEDOUT);
	KUNIT_EXPECT_FALSE(test, hw_drops_in_use);
	hw_expect_honest(test);
	hw_heal();
	/* If it could not be put back either, the next cycle does that. */
	if (!param->back && !hw_suspend())
		KUNIT_EXPECT_EQ(test, hw_resume(), 0);
	hw_expect_alive(test);
	hw_cycle(test);
}

/* Test that DMA stays blocked if it cannot be set up again, until a later cycle. */
static void smmu_resume_fails(struct kunit *test)
{
	const struct fail_case *param = test->param_value;

	hw_down(test);
	hw_lose_power();
	param->fail();
	KUNIT_EXPECT_EQ(test, hw_resume(), -ETIMEDOUT);
	KUNIT_EXPECT_STREQ(test, hw_transaction(), "aborted");
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "DMA is blocked"), 1);
	hw_heal();
	hw_expect_dead(test);

	KUNIT_EXPECT_EQ(test, hw_suspend(), 0);
	hw_lose_power();
	hw_up(test);
}

/* Test that the log says so of an SMMU that does not even block DMA. */
static void smmu_resume_fails_to_block(struct kunit *test)
{
	hw_down(test);
	hw.deaf_gbpa = true;
	KUNIT_EXPECT_EQ(test, hw_resume(), -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "DMA is blocked"), 0);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "DMA is not blocked"), 1);
	KUNIT_EXPECT_EQ(test, hw_suspend(), 0);
	hw_heal();
	hw_up(test);
}

/* Test that commands fail, and are not dropped, if it translates and cannot be disabled. */
static void smmu_resume_fails_to_disable(struct kunit *test)
{
	hw_down(test);
	*hw_reg(ARM_SMMU_IDR0) ^= IDR0_S2P;
	*hw_reg(ARM_SMMU_CR0) = *hw_reg(ARM_SMMU_CR0ACK) = CR0_SMMUEN;
	hw_deafen_smmuen();
	KUNIT_EXPECT_EQ(test, hw_resume(), -ENODEV);
	KUNIT_EXPECT_EQ(test, kernel_log_count(hw.log_start, "DMA is not blocked"), 1);
	hw_expect_honest(test);
	/* By its own driver, so to speak */
	hw.mistranslated = false;
	*hw_reg(ARM_SMMU_IDR0) ^= IDR0_S2P;
	hw_heal();

	/* Its command queue is off. */
	hw_down(test);
	hw_up(test);
}

/*
 * Test that another SMMU is not used, though the kernel that read the image has set it
 * up, and that the one that was there is used again.
 */
static void smmu_is_another(struct kunit *test)
{
	const struct id_case *param = test->param_value;

	hw_down(test);
	*hw_reg(param->reg) ^= param->bits;
	*hw_reg(ARM_SMMU_CR0) = *hw_reg(ARM_SMMU_CR0ACK) = CR0_SMMUEN;
	*hw_reg(ARM_SMMU_STRTAB_BASE) = SZ_16M;
	KUNIT_EXPECT_EQ(test, hw_resume(), -ENODEV);
	hw_expect_dead(test);
	/* By its own driver, so to speak */
	hw.mistranslated = false;

	KUNIT_EXPECT_EQ(test, hw_suspend(), 0);
	*hw_reg(param->reg) ^= param->bits;
	hw_up(test);
}

/* Test that a register that says nothing of what the driver may use does not matter. */
static void smmu_is_the_same(struct kunit *test)
{
	hw_down(test);
	*hw_reg(ARM_SMMU_IDR0 + 8) ^= 1;
	hw_up(test);
}

static bool hw_is_linked(struct device *dev)
{
	struct device_link *link;

	list_for_each_entry(link, &dev->links.suppliers, c_node)
		if (link->supplier == &hw.pdev->dev)
			return true;

	return false;
}

/* A device behind it, as the IOMMU core probes it */
static struct platform_device *hw_master;

static void hw_unplug(void)
{
	struct device *dev = &hw_master->dev;

	if (dev->iommu && dev_iommu_priv_get(dev)) {
		arm_smmu_release_device(dev);
		dev_iommu_priv_set(dev, NULL);
	}
	platform_device_unregister(hw_master);
	hw_master = NULL;
}

static struct device *hw_plug(struct kunit *test)
{
	struct platform_device *master;
	u32 sid = HW_SID;
	int err;

	master = platform_device_register_simple("fake-master", PLATFORM_DEVID_NONE, NULL, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, master);
	hw_master = master;
	scoped_guard(mutex, &iommu_probe_device_lock)
		err = iommu_fwspec_init(&master->dev, dev_fwnode(&hw.pdev->dev));
	KUNIT_ASSERT_EQ(test, err, 0);
	KUNIT_ASSERT_EQ(test, iommu_fwspec_add_ids(&master->dev, &sid, 1), 0);
	KUNIT_ASSERT_PTR_EQ(test, arm_smmu_probe_device(&master->dev), &hw_smmu()->iommu);

	return &master->dev;
}

/* What the stream table says of it, which the SMMU has to read again */
static u64 hw_stream(void)
{
	const u64 *table = phys_to_virt(hw_reg64(ARM_SMMU_STRTAB_BASE) &
					STRTAB_BASE_ADDR_MASK);

	return table[HW_SID * NUM_ENTRY_QWORDS] & STRTAB_STE_0_CFG;
}

/* Test that what is behind the SMMU is suspended before it. */
static void smmu_link(struct kunit *test)
{
	struct device *dev = hw_plug(test);

	KUNIT_EXPECT_TRUE(test, hw_is_linked(dev));
}

/* Test that a device that goes while the SMMU is suspended has no DMA afterwards. */
static void smmu_unplugged(struct kunit *test)
{
	struct device *dev = hw_plug(test);
	unsigned int commands;

	arm_smmu_attach_dev_identity(&arm_smmu_identity_domain, dev,
				     &arm_smmu_blocked_domain);
	KUNIT_ASSERT_EQ(test, hw_stream(),
			FIELD_PREP(STRTAB_STE_0_CFG, STRTAB_STE_0_CFG_BYPASS));
	hw_down(test);
	commands = hw.commands;
	arm_smmu_attach_dev_blocked(&arm_smmu_blocked_domain, dev,
				    &arm_smmu_identity_domain);
	hw_unplug();
	KUNIT_EXPECT_EQ(test, hw.commands, commands);
	hw_up(test);
	KUNIT_EXPECT_EQ(test, hw_stream(),
			FIELD_PREP(STRTAB_STE_0_CFG, STRTAB_STE_0_CFG_ABORT));
}

static const struct atc_case {
	const char *desc;
	/* Of the device when the SMMU is suspended, and when it is back */
	pci_power_t down, up;
	bool enabled, off, stale;
} atcs[] = {
	{ "D0", PCI_D0, PCI_D0, true, true, false },
	{ "D3", PCI_D3hot, PCI_D3hot, true, false, true },
	{ "D0, then D3", PCI_D0, PCI_D3hot, true, true, true },
	{ "D3, then D0", PCI_D3hot, PCI_D0, true, false, false },
	{ "no ATS", PCI_D0, PCI_D0, false, true, true },
};

KUNIT_ARRAY_PARAM_DESC(atc, atcs, desc);

/* A device that uses ATS, with something in its ATC */
static struct arm_smmu_master *hw_plug_ats(struct kunit *test, pci_power_t state)
{
	struct arm_smmu_master *master = dev_iommu_priv_get(hw_plug(test));

	hw_pci = kunit_kzalloc(test, sizeof(*hw_pci), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, hw_pci);
	hw_pci->current_state = state;
	hw_pci->ats_enabled = true;
	master->ats_enabled = true;
	hw.atc = true;

	return master;
}

/* As a virtual function, whose physical one is in this state */
static void hw_be_virtual(struct kunit *test, pci_power_t state)
{
	hw_physfn = kunit_kzalloc(test, sizeof(*hw_physfn), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, hw_physfn);
	hw_physfn->current_state = state;
}

static bool hw_ats(void)
{
	return hw_pci->ats_enabled;
}

static int hw_suspend_late(void)
{
	return hw_call(offsetof(const struct dev_pm_ops, suspend_late));
}

static int hw_resume_early(void)
{
	return hw_call(offsetof(const struct dev_pm_ops, resume_early));
}

/* Test that ATS is off while nothing is translated, and nothing in the ATC after it. */
static void smmu_atc(struct kunit *test)
{
	const struct atc_case *param = test->param_value;
	struct arm_smmu_master *master = hw_plug_ats(test, param->down);

	master->ats_enabled = param->enabled;
	hw_pci->ats_enabled = param->enabled;
	KUNIT_EXPECT_EQ(test, hw_suspend_late(), 0);
	KUNIT_EXPECT_EQ(test, hw_ats(), !param->off);
	KUNIT_EXPECT_EQ(test, hw.atc, !param->enabled || !param->off);
	hw_down(test);
	KUNIT_EXPECT_EQ(test, hw.ats_cut, 0);
	/* Of the kernel that has read an image */
	hw.atc = true;
	arm_smmu_atc_inv_master(master, IOMMU_NO_PASID);
	hw_lose_power();
	hw_up(test);
	KUNIT_EXPECT_TRUE(test, hw.atc);
	hw_pci->current_state = param->up;
	KUNIT_EXPECT_EQ(test, hw_resume_early(), 0);
	KUNIT_EXPECT_EQ(test, hw.atc, param->stale);
	KUNIT_EXPECT_EQ(test, hw_ats(), param->enabled);
	KUNIT_EXPECT_EQ(test, hw.ats_again, 0);
	master->ats_enabled = false;
}

/* Test that a virtual function is not spoken to while its physical one is in D3. */
static void smmu_atc_of_virtual(struct kunit *test)
{
	struct arm_smmu_master *master = hw_plug_ats(test, PCI_D0);

	hw_be_virtual(test, PCI_D3hot);
	KUNIT_EXPECT_EQ(test, hw_suspend_late(), 0);
	KUNIT_EXPECT_TRUE(test, hw_ats());
	KUNIT_EXPECT_TRUE(test, hw.atc);
	hw_cycle(test);
	hw_physfn->current_state = PCI_D0;
	KUNIT_EXPECT_EQ(test, hw_resume_early(), 0);
	KUNIT_EXPECT_FALSE(test, hw.atc);
	KUNIT_EXPECT_EQ(test, hw.ats_again, 0);
	master->ats_enabled = false;
}

/* Test that ATS stays off with an SMMU that does not come back. */
static void smmu_atc_is_lost(struct kunit *test)
{
	struct arm_smmu_master *master = hw_plug_ats(test, PCI_D0);

	KUNIT_EXPECT_EQ(test, hw_suspend_late(), 0);
	hw_down(test);
	*hw_reg(ARM_SMMU_IIDR) ^= 1;
	KUNIT_EXPECT_EQ(test, hw_resume(), -ENODEV);
	KUNIT_EXPECT_EQ(test, hw_resume_early(), 0);
	KUNIT_EXPECT_FALSE(test, hw_ats());
	*hw_reg(ARM_SMMU_IIDR) ^= 1;
	KUNIT_EXPECT_EQ(test, hw_suspend_late(), 0);
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_resume_early(), 0);
	KUNIT_EXPECT_TRUE(test, hw_ats());
	KUNIT_EXPECT_EQ(test, hw.ats_again, 0);
	master->ats_enabled = false;
}

/* Test that a device that is blocked meanwhile, as for its reset, goes on without ATS. */
static void smmu_atc_of_blocked(struct kunit *test)
{
	struct arm_smmu_master *master = hw_plug_ats(test, PCI_D0);

	KUNIT_EXPECT_EQ(test, hw_suspend_late(), 0);
	arm_smmu_attach_dev_blocked(&arm_smmu_blocked_domain, master->dev,
				    &arm_smmu_blocked_domain);
	hw_cycle(test);
	KUNIT_EXPECT_EQ(test, hw_resume_early(), 0);
	KUNIT_EXPECT_FALSE(test, master->ats_enabled);
	KUNIT_EXPECT_FALSE(test, hw_ats());
	KUNIT_EXPECT_EQ(test, hw.ats_again, 0);
}

static void hw_impl_disable(struct arm_smmu_device *smmu)
{
	hw.impl_calls++;
}

static int hw_impl_reset(struct arm_smmu_device *smmu)
{
	hw.impl_calls++;

	return 0;
}

static const struct arm_smmu_impl_ops hw_impl_ops = {
	.device_disable = hw_impl_disable,
	.device_reset = hw_impl_reset,
};

/* Test that an SMMU with queues of its implementation is left alone. */
static void smmu_implementation(struct kunit *test)
{
	struct arm_smmu_master *master = hw_plug_ats(test, PCI_D0);
	static struct hw before;

	hw_smmu()->impl_ops = &hw_impl_ops;
	before = hw;
	KUNIT_EXPECT_EQ(test, hw_suspend_late(), 0);
	KUNIT_EXPECT_EQ(test, hw_suspend(), 0);
	KUNIT_EXPECT_EQ(test, hw_resume(), 0);
	KUNIT_EXPECT_EQ(test, hw_resume_early(), 0);
	KUNIT_EXPECT_TRUE(test, hw_ats());
	KUNIT_EXPECT_FALSE(test, memcmp(&hw, &before, sizeof(hw)));
	hw_smmu()->impl_ops = NULL;
	hw_expect_alive(test);
	master->ats_enabled = false;
}

/* Test that it is even if it has lost its power. */
static void smmu_implementation_loses_power(struct kunit *test)
{
	static struct hw before;

	hw_smmu()->impl_ops = &hw_impl_ops;
	KUNIT_EXPECT_EQ(test, hw_suspend(), 0);
	hw_lose_power();
	before = hw;
	KUNIT_EXPECT_EQ(test, hw_resume(), 0);
	KUNIT_EXPECT_FALSE(test, memcmp(&hw, &before, sizeof(hw)));
	hw_smmu()->impl_ops = NULL;
}

/* An SMMU with memory that firmware has reserved, in suspend to idle */
static void hw_reserve(struct kunit *test)
{
	hw_exit(test);
	hw_has_rmr = true;
	hw_init(test, 0);
	hw_sleep_state = PM_SUSPEND_TO_IDLE;
}

/* Test that what firmware reserves is in use in suspend to idle. */
static void smmu_rmr_is_left_on(struct kunit *test)
{
	static struct hw before;

	hw_reserve(test);
	before = hw;
	KUNIT_EXPECT_EQ(test, hw_suspend(), 0);
	KUNIT_EXPECT_EQ(test, hw_resume(), 0);
	KUNIT_EXPECT_FALSE(test, memcmp(&hw, &before, sizeof(hw)));
	hw_expect_alive(test);
}

static bool hw_dropped;

static void hw_see_drops(void)
{
	hw_dropped = hw_drops();
}

/* Test that, if it lost its power there, it is set up as any other. */
static void smmu_rmr_loses_power(struct kunit *test)
{
	hw_reserve(test);
	KUNIT_EXPECT_EQ(test, hw_suspend(), 0);
	hw_lose_power();
	hw_dropped = false;
	hw_grace_period = hw_see_drops;
	hw_up(test);
	KUNIT_EXPECT_TRUE(test, hw_dropped);
}

/* Test that in any other sleep it is suspended. */
static void smmu_rmr_sleeps(struct kunit *test)
{
	hw_reserve(test);
	hw_sleep_state = PM_SUSPEND_MEM;
	hw_cycle(test);
}

/* Test that one without such memory is suspended in suspend to idle, too. */
static void smmu_idle(struct kunit *test)
{
	hw_sleep_state = PM_SUSPEND_TO_IDLE;
	hw_cycle(test);
}

static int smmu_init(struct kunit *test)
{
	hw_init(test, 0);

	return 0;
}

/* What is behind it goes first, also after a test that failed. */
static void smmu_exit(struct kunit *test)
{
	if (hw_master)
		hw_unplug();
	hw_pci = NULL;
	hw_physfn = NULL;
	hw_has_rmr = false;
	hw_sleep_state = PM_SUSPEND_ON;
	hw_exit(test);
}

static struct kunit_case smmu_cases[] = {
	KUNIT_CASE_PARAM(smmu_lost_all, sleep_gen_params),
	KUNIT_CASE(smmu_lost_nothing),
	KUNIT_CASE(smmu_queue_wraps),
	KUNIT_CASE(smmu_gbpa_as_before),
	KUNIT_CASE(smmu_el2),
	KUNIT_CASE(smmu_error_pending),
	KUNIT_CASE(smmu_error_left_behind),
	KUNIT_CASE_PARAM(smmu_service_failure, failure_gen_params),
	KUNIT_CASE(smmu_illegal_command),
	KUNIT_CASE(smmu_illegal_commands),
	KUNIT_CASE(smmu_stuck_once),
	KUNIT_CASE(smmu_queue_off),
	KUNIT_CASE(smmu_error_in_cons),
	KUNIT_CASE(smmu_events),
	KUNIT_CASE(smmu_page_requests),
	KUNIT_CASE(smmu_page_request_and_error),
	KUNIT_CASE(smmu_page_requests_and_errors),
	KUNIT_CASE(smmu_page_request_unanswered),
	KUNIT_CASE(smmu_no_room),
	KUNIT_CASE(smmu_no_room_ever),
	KUNIT_CASE(smmu_no_room_in_rollback),
	KUNIT_CASE(smmu_no_room_for_answer),
	KUNIT_CASE(smmu_event_storm),
	KUNIT_CASE(smmu_stops_translating_first),
	KUNIT_CASE(smmu_commands_begun),
	KUNIT_CASE(smmu_resumes_meanwhile),
	KUNIT_CASE(smmu_msis),
	KUNIT_CASE(smmu_msi_of_bridge),
	KUNIT_CASE(smmu_msis_of_others),
	KUNIT_CASE_PARAM(smmu_suspend_fails, suspend_fails_gen_params),
	KUNIT_CASE_PARAM(smmu_resume_fails, resume_fails_gen_params),
	KUNIT_CASE(smmu_resume_fails_to_block),
	KUNIT_CASE(smmu_resume_fails_to_disable),
	KUNIT_CASE_PARAM(smmu_is_another, id_gen_params),
	KUNIT_CASE(smmu_is_the_same),
	KUNIT_CASE(smmu_implementation),
	KUNIT_CASE(smmu_implementation_loses_power),
	KUNIT_CASE(smmu_rmr_is_left_on),
	KUNIT_CASE(smmu_rmr_loses_power),
	KUNIT_CASE(smmu_rmr_sleeps),
	KUNIT_CASE(smmu_idle),
	KUNIT_CASE(smmu_link),
	KUNIT_CASE(smmu_unplugged),
	KUNIT_CASE_PARAM(smmu_atc, atc_gen_params),
	KUNIT_CASE(smmu_atc_of_virtual),
	KUNIT_CASE(smmu_atc_is_lost),
	KUNIT_CASE(smmu_atc_of_blocked),
	{ }
};

static struct kunit_suite smmu_suite = {
	.name = "virtio_smmu",
	.suite_init = hw_suite_init,
	.suite_exit = hw_suite_exit,
	.init = smmu_init,
	.exit = smmu_exit,
	.test_cases = smmu_cases,
};

kunit_test_suite(smmu_suite);

MODULE_DESCRIPTION("KUnit tests for arm-smmu-v3 in system sleep");
MODULE_LICENSE("GPL");
