# SPDX-License-Identifier: GPL-2.0
"""What happens to a guest whose clocks are behind SCMI, and how it has to end.

The table at the end has the cases. In every one of them, whatever is not said to
be otherwise is expected: each request of the consumer is answered, and it sleeps until
then, in the noirq phase, too; the platform's state is right after each cycle and all off in
each real sleep; each notification arrives; no message is left in flight; the
kernel log has no complaint; and no cycle takes longer than `limit` seconds.
"""

import dataclasses

REAL = "rtc"   # a real s2idle sleep, ended by the alarm
HIBERNATION = ("test_resume", "shutdown")
TIMED_OUT = r"timed out in resp"
# What consumers say of an operation that failed, and their frameworks of it.
FAILED = r"virtio_scmi_test \S+: \w+: .* after \d+ us|vst_\w+ returns|" \
    r"scmi_\w+ .*(fail|error)|failed to (en|dis)able|Failed to .*power|" \
    r"genpd_\w+\S* (failed|returns)"


@dataclasses.dataclass(frozen=True)
class Case:
    """One case; every field says in which way it is not the plain one."""
    what: str           # happens, for the report
    cycles: int = 3
    many: int = 0       # cycles of a long run, if not as many
    sleep: str = REAL   # or a level of pm_test, or test_resume or shutdown
    wake: int = 2       # seconds of a real sleep, of which the first may be short
    module: str = ""    # parameters of the consumer
    device: str = "vhost-user-scmi"
    options: tuple = ()  # of the back-end
    ctl: tuple = ()     # commands to it, before the first cycle
    each: tuple = ()    # and before each one
    asleep: str = ""    # done to it in each faulty cycle, when all is off
    awake: str = ""     # and when the guest has resumed
    faulty: int = 0     # one of so many cycles is faulty, from the first on
    errors: tuple = ()  # phases in which the consumer has errors when it is
    after: tuple = ()   # and in the cycle that follows a faulty one
    domain: bool = True     # genpd switches the domain on in each resume
    reads: bool = False  # a message of the second thread waits
    answered: bool = False  # it is, and suspend_noirq waits for that: else in vain
    aborts: bool = False    # the transition is aborted: counted as failed
    reached: bool = True    # so far the transition goes, in each cycle
    off: bool = True    # all is off on the platform while it sleeps
    notified: bool = True   # each notification arrives
    responses: tuple = ()   # protocols whose commands have a delayed one
    wakes: bool = False  # the device's interrupt is armed to wake the system
    reload: str = ""    # the transport's "module" or "driver", after each cycle
    append: str = ""    # to the kernel command line
    log: str = ""       # lines that are in the kernel log, a pattern
    timeout_ms: int = 60000  # of a message, as without a device tree property
    limit: float = 300  # seconds, on a busy host
    name: str = ""


TABLE = {
    "cycles": Case(
        "real s2idle cycles", cycles=20, many=200),
    "busy": Case(
        "replies after 3 ms, a notification every 3 ms, and a thread that sets "
        "rates all the time", cycles=20, many=1000, sleep="platform",
        module="thread=1", ctl=("delay 3", "tick 3 clock 1"), off=False),
    "masked": Case(
        "five notifications in each sleep, which arrive while interrupts are "
        "masked", cycles=5, many=1000,
        asleep="notify", faulty=1),
    "stuck": Case(
        "a message that is never answered, sent before interrupts are off",
        many=1000, sleep="platform", module="read_in=suspend",
        each=("fault hold 1 0x17:8",), reads=True, off=False,
        timeout_ms=600000, log="messages still in flight"),
    "stuck-noirq": Case(
        "a message that is never answered, sent with interrupts off",
        many=100, sleep="platform", module="read_in=suspend_noirq",
        each=("fault hold 1 0x17:8",), reads=True, off=False,
        timeout_ms=600000, log="messages still in flight"),
    "waited-for": Case(
        "a message sent before interrupts are off, answered then; suspend_noirq "
        "waits for its sender", many=20, sleep="platform",
        module="read_in=suspend wait=1",
        each=("fault late:2000 1 0x17:8",), reads=True, answered=True,
        off=False),
    "waited-async": Case(
        "the same with an asynchronous command", options=("--async",),
        many=20, sleep="platform", module="read_in=suspend set=1 wait=1",
        # the consumer's own, and the thread's
        each=("fault late:2000 2 0x14:5",), reads=True, answered=True, off=False),
    "abort-devices": Case(
        "pm_test=devices: the device goes down to freeze and comes back",
        cycles=10, many=1000, sleep="devices", off=False, reached=False),
    "abort-late": Case(
        "a wakeup event in suspend_late ends the suspend", cycles=10, many=1000,
        module="wakeup_in=suspend_late", aborts=True, off=False,
        reached=False),
    "abort-noirq": Case(
        "a wakeup event in suspend_noirq", cycles=10, many=1000,
        module="wakeup_in=suspend_noirq", off=False),
    "async": Case(
        "asynchronous commands, of clock, reset and supply: the delayed response comes in "
        "each phase", module="all=1", options=("--async",), responses=("0x14", "0x16", "0x17")),
    "wakeup-source": Case(
        "the device may wake the system: no response does so", cycles=5, many=20,
        wakes=True),
    "silent": Case(
        "the platform answers nothing from the sleep until it is awake again; "
        "every second cycle", cycles=4, many=20, wake=5,
        asleep="fault hold 100000",
        awake="fault none", faulty=2, log=TIMED_OUT + "|not expected|" + FAILED
        + "|messages still in flight", timeout_ms=3000,
        errors=("resume_noirq", "resume_early", "resume")),
    "failed-restore": Case(
        "the device cannot be negotiated with on resume; every second cycle",
        cycles=4, many=20, module="fail_restore=1", faulty=2,
        errors=("resume_noirq", "resume_early", "resume"),
        # It is dead until the next resume, which does not switch on the domain:
        # genpd has taken it for on since this one.
        after=("suspend", "suspend_late"), domain=False,
        log=FAILED + r"|virtio\d+: |PM: .* error -"),
    "killed": Case(
        "the back-end is killed and started again in each sleep", cycles=4,
        many=20, wake=5, asleep="restart", faulty=1, notified=False),
    "gone": Case(
        "the back-end is killed in the sleep, and there again when the guest is "
        "awake; every second cycle", cycles=4, many=20, wake=5,
        asleep="kill",
        # What the consumer has given up is done late, and is then on.
        awake="start", off=False,
        faulty=2, notified=False, timeout_ms=3000,
        errors=("resume_noirq", "resume_early", "resume"),
        log=TIMED_OUT + "|not expected|" + FAILED + "|messages still in flight"),
    "test_resume": Case(
        "hibernation, with the image loaded at once", sleep="test_resume",
        off=False, notified=False),
    "hibernate": Case(
        "hibernation, power off, a new QEMU and a new back-end",
        cycles=1, many=3, sleep="shutdown", off=False, notified=False),
    "reload": Case(
        "the transport's module is unloaded and loaded between cycles",
        # Else fw_devlink has the consumer wait for an SCMI device that is gone
        # since the first load; v7.3 does so without any sleep.
        append="fw_devlink=permissive", reload="module", many=20, notified=False),
    "rebind": Case(
        "the transport's driver is unbound, and bound again after another sleep",
        sleep="platform", append="fw_devlink=permissive", reload="driver",
        many=20, off=False, notified=False),
}

CASES = [dataclasses.replace(case, name=name) for name, case in TABLE.items()]
# On virtio-pci there is no device tree node that could arm the interrupt.
CASES += [dataclasses.replace(case, name=f"pci-{case.name}", device="vhost-user-scmi-pci")
          for case in CASES if not case.wakes]
