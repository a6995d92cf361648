// Which charts there are, and what each says of a day.
const total = (values) => values.reduce((sum, value) => sum + value, 0);
const sums = (lists, slots) => Array.from({ length: slots }, (_, slot) => total(lists.map((list) => list[slot])));
const known = (values) => values.filter((value) => value !== null);
const KILOWATTS = DATA.slotS * 1000; // joules of a slot per kilowatt
const KILOWATT_HOURS = 3.6e6;

// Layers on top of each other from zero, upwards (sign 1) or downwards (sign -1).
function stacked(layers, slots, sign, read) {
  let base = new Array(slots).fill(0);
  return layers.map(([name, values]) => {
    const next = base.map((sum, slot) => sum + sign * values[slot]);
    const [low, high] = sign > 0 ? [base, next] : [next, base];
    base = next;
    return { kind: 'area', name: DATA.words[name], colour: show(name), low, high, read: (slot) => read(values[slot]) };
  });
}

function balanceView(day) {
  const [supply, use] = [day.supply.map(([, j]) => j), day.use.map(([, j]) => j)];
  const high = Math.max(1, ...sums(supply, day.slots), ...sums(use, day.slots));
  return {
    low: -high, high,
    note: `Above the line in kW: where the energy came from. Below: where it went. Both sides are equally tall in every slot. Over the day ${energy(total(supply.flat()))} came in.`,
    unit: KILOWATTS,
    series: [
      { kind: 'group', name: 'Came from' }, ...stacked(day.supply, day.slots, 1, powerOf),
      { kind: 'group', name: 'Went to' }, ...stacked(day.use, day.slots, -1, powerOf),
    ],
  };
}

function priceView(day) {
  const paid = day.price;
  const all = [...known(paid.max), ...day.retail, ...day.feedIn];
  const read = (values) => (slot) => (values[slot] === null ? '–' : price(values[slot]));
  return {
    low: Math.min(0, ...known(paid.min), ...day.feedIn), high: Math.max(...all),
    note: `${DATA.cent} per kWh, as paid at the buyer's door: the cheapest, the mean and the dearest trade of each slot, between what the utility charges and what it pays.`,
    unit: 1e4,
    series: [
      { kind: 'area', name: 'Cheapest to dearest', colour: show('band'), opacity: 0.28, low: paid.min, high: paid.max, read: (slot) => (paid.min[slot] === null ? '–' : `${price(paid.min[slot]).replace(` ${DATA.cent}`, '')} to ${price(paid.max[slot])}`) },
      { kind: 'line', name: 'Mean', colour: show('band'), values: paid.mean, read: read(paid.mean), width: 2.4 },
      { kind: 'line', name: 'Utility charges', colour: show('retail'), values: day.retail, read: read(day.retail), dash: '6 4' },
      { kind: 'line', name: 'Utility pays', colour: show('feedIn'), values: day.feedIn, read: read(day.feedIn), dash: '2 4' },
    ],
  };
}

function lossView(day) {
  const zero = day.loss.map(() => 0);
  const fine = (joules) => `${digits(joules / DATA.slotS / 1000, 2)} kW`;
  return {
    low: Math.min(0, ...day.loss), high: Math.max(1, ...day.loss, ...day.lossBooked, ...day.lossAc),
    note: `kW lost in lines and transformers. What the routers booked should lie on what an independent AC power flow computes for the same bookings. Metered over the day: ${energy(total(day.loss))}.`,
    unit: KILOWATTS,
    series: [
      { kind: 'area', name: 'Metered', colour: show('loss'), opacity: 0.45, low: zero, high: day.loss, read: (slot) => fine(day.loss[slot]) },
      { kind: 'line', name: 'Booked', colour: show('booked'), values: day.lossBooked, read: (slot) => fine(day.lossBooked[slot]), width: 2.4 },
      { kind: 'line', name: 'AC power flow of the bookings', colour: show('ac'), values: day.lossAc, read: (slot) => fine(day.lossAc[slot]), dash: '3 3', width: 1.8 },
    ],
  };
}

function storeView(day) {
  const capacity = total(day.stores.map((store) => store.cap));
  const layers = [];
  let base = new Array(day.slots).fill(0);
  day.stores.forEach((store, i) => {
    const next = base.map((sum, slot) => sum + store.j[slot]);
    layers.push({ kind: 'area', name: store.t, colour: show('battery'), opacity: 1 - (0.62 * i) / Math.max(1, day.stores.length), low: base, high: next, read: (slot) => energy(store.j[slot]) });
    base = next;
  });
  return {
    low: 0, high: capacity,
    note: `kWh stored at the end of each slot, one battery on top of the other; together they have room for ${energy(capacity)}.`,
    unit: KILOWATT_HOURS,
    series: [...layers, { kind: 'line', name: 'All together', colour: 'var(--ink)', values: base, read: (slot) => energy(base[slot]), width: 1.4 }],
  };
}

const extremes = (lists, slots, pick) => Array.from({ length: slots }, (_, slot) => pick(...lists.map((list) => list[slot])));

function voltageView(day) {
  const [low, high] = [extremes(day.volt, day.slots, Math.min), extremes(day.volt, day.slots, Math.max)];
  const limit = (index, name) => ({ kind: 'line', name, colour: show('limit'), values: day.loss.map(() => DATA.band[index]), read: () => `${perUnit(DATA.band[index])} pu`, dash: '6 4', width: 1.5 });
  const slack = (DATA.band[1] - DATA.band[0]) / 14;
  return {
    low: Math.min(DATA.band[0], ...low) - slack, high: Math.max(DATA.band[1], ...high) + slack / 3,
    note: 'Per unit of nominal: the lowest and the highest voltage of any bus, as the AC power flow gives it for what was metered, within the permitted band.',
    unit: 1e6,
    series: [
      { kind: 'area', name: 'Lowest to highest bus', colour: show('volt'), opacity: 0.45, low, high, read: (slot) => `${perUnit(low[slot])} to ${perUnit(high[slot])} pu` },
      limit(1, 'Upper limit'), limit(0, 'Lower limit'),
    ],
  };
}

function loadView(day) {
  const [most, mean] = [extremes(day.load, day.slots, Math.max), sums(day.load, day.slots).map((sum) => sum / day.load.length)];
  return {
    low: 0, high: Math.max(1e6, ...most),
    note: '% of its rating: the fullest line and the mean of all lines in each slot.',
    unit: 1e4,
    series: [
      { kind: 'area', name: 'Fullest line', colour: show('loading'), opacity: 0.4, low: most.map(() => 0), high: most, read: (slot) => percent(most[slot]) },
      { kind: 'line', name: 'Mean of all lines', colour: show('loading'), values: mean, read: (slot) => percent(mean[slot]) },
      { kind: 'line', name: 'Rating', colour: show('limit'), values: most.map(() => 1e6), read: () => '100 %', dash: '6 4', width: 1.5 },
    ],
  };
}

function drawCharts() {
  const host = document.getElementById('charts');
  plot(host, { title: 'Where the energy came from, and where it went', height: 330, wide: true, view: balanceView });
  plot(host, { title: 'Prices', height: 210, view: priceView });
  plot(host, { title: 'Losses', height: 210, view: lossView });
  if (DATA.days.some((day) => day.stores.length)) plot(host, { title: 'Batteries', height: 190, view: storeView });
  plot(host, { title: 'Voltage', height: 190, view: voltageView });
  plot(host, { title: 'Loading of lines', height: 190, wide: DATA.days.some((day) => day.stores.length), view: loadView });
}
