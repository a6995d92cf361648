// The column beside the grid: the chosen bus or line, or the community as a whole; and the legend.
const side = document.getElementById('side');

function updateSide() {
  const parts = state.chosen === null ? wholeGrid() : state.chosen.kind === 'bus' ? oneBus(state.chosen.index) : oneLink(state.chosen.index);
  const close = state.chosen && element('button', { type: 'button', class: 'close' }, 'Show the whole grid');
  if (close) close.addEventListener('click', () => choose(null));
  const hadFocus = side.contains(document.activeElement);
  side.replaceChildren(...parts, ...(close ? [close] : []));
  if (hadFocus && close) close.focus();
}

const titled = (title, when = `${today().title}, ${clock(state.slot)}`) =>
  [element('h3', {}, title), element('p', { class: 'when' }, when)];

const rows = (pairs) => element('dl', {}, ...pairs.filter(Boolean).flatMap(([name, value]) =>
  (value === null ? [element('dt', { class: 'whole' }, name)] : [element('dt', {}, name), element('dd', {}, value)])));

function wholeGrid() {
  const [day, slot] = [today(), state.slot];
  const at = (list) => list.map((series) => series[slot]);
  const loads = at(day.load);
  const busiest = loads.indexOf(Math.max(...loads));
  const volts = at(day.volt);
  const link = DATA.links[busiest];
  return [
    ...titled('Right now'),
    element('p', { class: 'when part' }, 'Comes from'),
    rows(day.supply.filter(([, j]) => j[slot] > 0).map(([name, j]) => [DATA.words[name], powerOf(j[slot])])),
    element('p', { class: 'when part' }, 'Goes to'),
    rows(day.use.filter(([, j]) => j[slot] > 0).map(([name, j]) => [DATA.words[name], powerOf(j[slot])])),
    element('p', { class: 'when part' }, 'In the grid'),
    rows([
      ['Fullest line', percent(loads[busiest])],
      [`${DATA.buses[link.p].t} – ${DATA.buses[link.c].t}`, null],
      ['Lowest voltage', `${perUnit(Math.min(...volts))} pu`],
      ['Highest voltage', `${perUnit(Math.max(...volts))} pu`],
      day.price.mean[slot] === null ? null : ['Mean price paid', price(day.price.mean[slot])],
      day.dead.some(([, from]) => slot >= from) ? ['Dead routers', String(day.dead.filter(([, from]) => slot >= from).length)] : null,
    ]),
  ];
}

function oneBus(index) {
  const [day, slot, bus] = [today(), state.slot, DATA.buses[index]];
  const net = day.net[index][slot];
  const own = bus.a.map(([, title, rating]) => [title, rating]);
  return [
    ...titled(bus.t),
    isDead(index) ? element('p', { class: 'notice bad' }, 'The router of this bus has died; the bus itself is still there.') : null,
    rows([
      [net < 0 ? 'Takes from the grid' : 'Gives to the grid', kilowatts(Math.abs(net))],
      ['Voltage', `${perUnit(day.volt[index][slot])} pu`],
      ...day.stores.filter((store) => store.b === index).map((store) => ['Battery holds', energy(store.j[slot])]),
    ]),
    own.length ? element('h3', {}, 'What stands here, by rating') : element('p', { class: 'when' }, 'A junction without devices.'),
    rows(own.map(([title, rating]) => [title, kilowatts(rating)])),
  ].filter(Boolean);
}

function oneLink(index) {
  const [day, slot, link] = [today(), state.slot, DATA.links[index]];
  const flow = day.flow[index][slot];
  const [from, to] = flow < 0 ? [link.c, link.p] : [link.p, link.c];
  return [
    ...titled(link.n),
    rows([
      ['From', DATA.buses[from].t],
      ['To', DATA.buses[to].t],
      ['Flow', kilowatts(Math.abs(flow))],
      ['Loading', percent(day.load[index][slot])],
      ['Loss', powerOf(day.linkLoss[index][slot])],
      ['Rating in this direction', `${kilo((flow < 0 ? link.ru : link.rd) / 1000)} kVA`],
      ['Kind', link.tie ? 'controllable tie' : 'line'],
    ]),
  ];
}

// ------------------------------------------------------------ legend
function drawKey() {
  const kinds = [...new Set(DATA.buses.flatMap((bus) => bus.k))];
  const icon = (kind) => shape('svg', { width: 17, height: 17, 'aria-hidden': 'true' }, shape('use', { href: `#i-${kind}`, width: 17, height: 17 }));
  const line = (ppm) => shape('svg', { width: 22, height: 12, 'aria-hidden': 'true' }, shape('path', { d: 'M2 6H20', style: `stroke:${loadColour(ppm)};stroke-width:${loadWidth(ppm, false)};stroke-linecap:round` }));
  const ring = (colour) => shape('svg', { width: 16, height: 16, 'aria-hidden': 'true' }, shape('circle', { cx: 8, cy: 8, r: 6, fill: 'none', style: `stroke:${colour};stroke-width:2.5` }));
  const tie = shape('svg', { width: 30, height: 12, 'aria-hidden': 'true' }, shape('path', { d: 'M2 6H28', style: 'stroke:var(--load-2);stroke-width:3.5;stroke-dasharray:5 5' }));
  const items = [
    ...kinds.map((kind) => [icon(kind), DATA.words[kind]]),
    ...[0, 400000, 750000, 1000000].map((ppm) => [line(ppm), ppm ? `${ppm / 10000} % full` : 'empty']),
    DATA.links.some((link) => link.tie) ? [tie, 'controllable tie'] : null,
    [ring('var(--v-low)'), `voltage near ${perUnit(DATA.band[0])} pu`],
    [ring('var(--v-high)'), `near ${perUnit(DATA.band[1])} pu`],
  ];
  document.getElementById('key').replaceChildren(...items.filter(Boolean).map(([mark, text]) => element('span', {}, mark, text)));
}
