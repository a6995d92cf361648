"""The run for people: a progress display while it goes on, a table at its end."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ioe_router.demo.record import RunRecord

J_PER_KWH = 3_600_000
MICRO = 1_000_000
LINE_EVERY = 24  # slots between two lines where there is no terminal


class Display:
    """A bar for each day; where there is no terminal, a line now and then. Use as a context."""

    def __init__(self, console: Console) -> None:
        """Draw on `console`."""
        self._console = console
        self._bars = Progress(
            TextColumn("{task.fields[day]}"),
            BarColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Display:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Leave the last state on the screen."""
        self._bars.stop()

    def show(self, day: str, over: int, slots: int, doing: str) -> None:
        """How far a day has come."""
        if not self._console.is_terminal and over and over % LINE_EVERY == 0:
            self._console.print(f"{day}: {doing}")
        if day not in self._tasks:
            self._tasks[day] = self._bars.add_task(doing, total=slots, day=day)
        self._bars.update(self._tasks[day], completed=over, description=doing)


def print_tables(console: Console, record: RunRecord, figures: Mapping[str, object]) -> None:
    """Members, then the figures that matter most."""
    console.print(members_table(record))
    console.print(figures_table(record, figures))
    for day in record.days:
        for death in day.deaths:
            console.print(
                f"{day.label}: the router of {death.bus} was killed; "
                f"lost {len(death.offers_lost)} of its offers and "
                f"{death.reservations_lost} reservations ({kwh(death.energy_lost_j)}), of which "
                f"{kwh(death.energy_repaired_j)} came from elsewhere; cut off: "
                f"{', '.join(death.nodes_cut_off) or 'nobody'}"
            )


def members_table(record: RunRecord) -> Table:
    """Energy and bill of every member over all days."""
    currency = record.scenario.market.currency
    table = Table(title=f"{record.scenario.title}: {', '.join(day.label for day in record.days)}")
    table.add_column("Member")
    for column in ("produced", "used", "bought", "sold", f"bill {currency}"):
        table.add_column(column, justify="right")
    for i, bus in enumerate(record.scenario.buses):
        days = [day.members[i] for day in record.days]
        table.add_row(
            bus.title,
            kwh(sum(one.produced_j for one in days)),
            kwh(sum(one.consumed_j for one in days)),
            kwh(sum(one.bought_j for one in days)),
            kwh(sum(one.sold_j for one in days)),
            money(sum(one.bill_micro for one in days)),
        )
    return table


def figures_table(record: RunRecord, figures: Mapping[str, object]) -> Table:
    """What the checks found."""
    currency = record.scenario.market.currency
    table = Table(title="Checks")
    table.add_column("Figure")
    table.add_column("Value", justify="right")
    rows = (
        (f"Cost of the community, {currency}", money(_number(figures, "community_cost_micro"))),
        (f"  the optimum with the same forecasts, {currency}", money(_number(figures, "optimum_cost_micro"))),
        (f"  static shortest paths, {currency}", money(_number(figures, "static_path_cost_micro"))),
        (
            f"  everybody buys from the utility, {currency}",
            money(_number(figures, "utility_only_cost_micro")),
        ),
        ("Cost gap without fees", percent(_number(figures, "cost_gap_without_fees_ppm"))),
        ("Excess loss", percent(_number(figures, "excess_loss_ppm"))),
        ("Firm demand without a booking", kwh(_number(figures, "unserved_j"))),
        ("Loss error against AC, worst slot", percent(_number(figures, "loss_error_vs_ac_worst_slot_ppm"))),
        ("Voltage violations", str(figures["voltage_violations"])),
        ("Overloads", str(figures["overload_violations"])),
        ("Highest loading", percent(_number(figures, "max_loading_ppm"))),
        ("Holds refused", percent(_number(figures, "rejected_hold_share_ppm"))),
        ("Books out of balance, J", str(figures["books_imbalance_j"])),
        ("Obligations out of balance, micro-units", str(figures["obligations_imbalance_micro"])),
        ("Reservations", str(figures["reservations_committed"])),
        ("Messages", str(figures["grpc_messages"])),
        ("Wall time, s", f"{record.totals.wall_s:.1f}"),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _number(figures: Mapping[str, object], name: str) -> int:
    value = figures[name]
    return value if isinstance(value, int) else 0


def kwh(energy_j: int) -> str:
    """Energy for people."""
    return f"{energy_j / J_PER_KWH:,.1f} kWh"


def money(amount_micro: int) -> str:
    """An amount of money for people."""
    return f"{amount_micro / MICRO:,.2f}"


def percent(share_ppm: int) -> str:
    """A share for people."""
    return f"{share_ppm / 10_000:.3f} %"
