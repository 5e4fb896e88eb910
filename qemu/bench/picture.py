# SPDX-License-Identifier: GPL-2.0
"""Draw when devices are ready, of the figures that bench.py found, as SVG."""

from bench.kind import MANY

WIDTH, LEFT, RIGHT = 820, 132, 796
TRACK, PANEL, TOP = 54, 176, 64  # heights
STYLE = """
  text { font: 13px sans-serif; fill: #1f2328 }
  .title { font-weight: bold; font-size: 15px }
  .small { font-size: 12px; fill: #59636e }
  .back { fill: #ffffff; stroke: #d1d9e0 }
  .noirq { fill: #b6d7ff } .early { fill: #d9e8c5 } .resume { fill: #e8e8ea }
  .axis { stroke: #818b98 }
  .ready { fill: #0550ae } .line { stroke: #0550ae; stroke-width: 2 }
  .works { fill: #1a7f37 } .fails { stroke: #cf222e; stroke-width: 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 }
    .back { fill: #0d1117; stroke: #3d444d }
    .noirq { fill: #1b3f6b } .early { fill: #33471c } .resume { fill: #2c333b }
    .axis { stroke: #9198a1 }
    .ready { fill: #79c0ff } .line { stroke: #79c0ff }
    .works { fill: #56d364 } .fails { stroke: #ff7b72 }
  }"""
PHASES = (("noirq", "noirq_end_ns"), ("early", "early_end_ns"), ("resume", "resume_end_ns"))
CONSUMER = ("consumer_noirq_ns", "consumer_early_ns", "consumer_ns")
TRACKS = {"noirq": "with noirq", "normal": "normal phase"}
STEPS = (100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000)


class Picture:
    """The ready point of devices against their consumer's resume, as SVG."""

    def __init__(self, figures):
        self.entries = [entry for entry in figures["readiness"]
                        if entry["layout"] == "split" and entry["devices"] == MANY]
        self.parts = []

    def add(self, name, text=None, **attributes):
        """Add an element."""
        attributes = " ".join(f'{key.rstrip("_")}="{value}"' for key, value in attributes.items())
        end = "/>" if text is None else f">{text}</{name}>"
        self.parts.append(f"<{name} {attributes}{end}")

    def text(self, x, y, text, anchor="start", **attributes):
        """Add text."""
        self.add("text", text, x=f"{x:.0f}", y=f"{y:.0f}", text_anchor=anchor, **attributes)

    def draw(self):
        """Return the picture."""
        height = TOP + PANEL * len(self.entries) + 12
        self.add("rect", class_="back", x=1, y=1, width=WIDTH - 2, height=height - 2, rx=8)
        self.legend()
        for number, entry in enumerate(self.entries):
            self.panel(entry, TOP + PANEL * number)
        body = "\n".join(self.parts).replace("text_anchor=", "text-anchor=")
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
                f'height="{height}" viewBox="0 0 {WIDTH} {height}" '
                'role="img">\n<!-- made by: make bench STORE=1 -->\n'
                "<title>When virtio devices are ready in resume</title>\n"
                f"<style>{STYLE}\n</style>\n{body}\n</svg>\n")

    def legend(self):
        """What the marks and colours mean."""
        self.text(16, 24, "When the last of 31 virtio devices answers, and its "
                  "consumer's callbacks", class_="title")
        x = 16
        for name, width in (("noirq", 62), ("early", 62), ("resume", 78)):
            self.add("rect", class_=name, x=x, y=38, width=14, height=14)
            self.text(x + 19, 50, name, class_="small")
            x += width + 6
        self.ready(x + 12, 52, 12)
        self.text(x + 26, 50, "device answers", class_="small")
        self.works(x + 142, 45)
        self.text(x + 154, 50, "consumer's callback, device works", class_="small")
        self.fails(x + 388, 45)
        self.text(x + 400, 50, "device does not work yet", class_="small")

    def ready(self, x, y, length):
        """The mark of a device that answers: a pole with a flag."""
        self.add("line", class_="line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=y, y2=y - length)
        self.add("path", class_="ready", d=f"M{x:.1f} {y - length} l9 4 l-9 4 z")

    def works(self, x, y):
        """The mark of a callback that can use the device."""
        self.add("circle", class_="works", cx=f"{x:.1f}", cy=y, r=5)

    def fails(self, x, y):
        """The mark of a callback that cannot."""
        self.add("path", class_="fails", fill="none", d=f"M{x - 4:.1f} {y - 4} l8 8 m0 -8 l-8 8")

    def panel(self, entry, top):
        """One axis, with a track for each path."""
        span = max(entry[path]["resume_end_ns"] for path in TRACKS) * 1.02
        what = "without a slow sibling"
        if entry["sibling_us"]:
            what = ("beside a sibling whose normal resume takes "
                    f"{entry['sibling_us'] // 1000} ms")
        self.text(16, top + 20, what[0].upper() + what[1:])

        def place(nanoseconds):
            return LEFT + (RIGHT - LEFT) * nanoseconds / span

        for number, path in enumerate(TRACKS):
            self.track(entry[path], path, top + 34 + TRACK * number, place)
        self.axis(top + 34 + TRACK * len(TRACKS), span, place)

    def track(self, times_ns, path, top, place):
        """The phases, the device and its consumer on one path."""
        self.text(LEFT - 8, top + 25, TRACKS[path], "end")
        start = 0
        for name, end in PHASES:
            self.add("rect", class_=name, x=f"{place(start):.1f}", y=top + 6,
                     width=f"{place(times_ns[end]) - place(start):.1f}", height=TRACK - 20)
            start = times_ns[end]
        ready = times_ns["last_ns"]
        for name in CONSUMER:
            mark = self.works if times_ns[name] >= ready else self.fails
            mark(place(times_ns[name]), top + 28)
        self.ready(place(ready), top + TRACK - 14, TRACK - 12)
        late = place(ready) > (LEFT + RIGHT) / 2
        self.text(place(ready) + (-8 if late else 14), top + 18,
                  f"{ready / 1_000_000:.2f} ms", "end" if late else "start")

    def axis(self, y, span, place):
        """The time axis."""
        step = next(s for s in STEPS if span / s < 8)
        self.add("line", class_="axis", x1=LEFT, x2=RIGHT, y1=y, y2=y)
        for tick in range(0, int(span) + 1, step):
            x = place(tick)
            self.add("line", class_="axis", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=y, y2=y + 4)
            self.text(x, y + 18, f"{tick / 1_000_000:g} ms", "middle", class_="small")
