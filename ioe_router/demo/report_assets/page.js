// Ties the parts together: day and time, playing, the table of members, the address of a moment.
const parts = Object.fromEntries(['transport', 'days', 'play', 'clock', 'time', 'labels', 'scopes', 'scrub-mix'].map((id) => [id, document.getElementById(id)]));
const SLOT_MS = 160;
let timer = null;

function updateClock() {
  parts.time.max = today().slots - 1;
  parts.time.value = state.slot;
  parts.time.setAttribute('aria-valuetext', `${today().title}, ${clock(state.slot)}`);
  parts.clock.textContent = clock(state.slot);
}

function drawScrubMix() {
  const day = today();
  const high = Math.max(1, ...sums(day.supply.map(([, j]) => j), day.slots));
  const axis = { x: (slot) => slot, y: (value) => 100 * (1 - value / high) };
  const layers = stacked(day.supply, day.slots, 1, String);
  parts['scrub-mix'].replaceChildren(shape('svg', { viewBox: `0 0 ${day.slots} 100`, preserveAspectRatio: 'none' },
    ...layers.map((layer) => shape('path', { d: band(axis, layer.low, layer.high), style: `fill:${layer.colour}` }))));
}

// ------------------------------------------------------------ playing
function play(on) {
  state.playing = on;
  clearInterval(timer);
  parts.play.setAttribute('aria-pressed', on);
  parts.play.setAttribute('aria-label', on ? 'Pause' : 'Play the day');
  if (on) timer = setInterval(tick, SLOT_MS);
  updateMap();
}

function tick() {
  if (state.slot < today().slots - 1) return chooseSlot(state.slot + 1);
  if (state.day < DATA.days.length - 1) return startDay(state.day + 1);
  return play(false);
}

function startDay(day) {
  state.slot = 0;
  chooseDay(day);
  drawDays();
}

function drawDays() {
  segments(parts.days, DATA.days.map((day, i) => [i, day.short]), state.day, chooseDay);
}

// ------------------------------------------------------------ members
function drawScopes() {
  const bodies = [...document.querySelectorAll('[data-scope]')];
  const names = [...new Map(bodies.map((body) => [body.dataset.scope, body.dataset.name]))];
  parts.scopes.hidden = names.length < 2;
  segments(parts.scopes, names, names[0][0], (scope) => bodies.forEach((body) => (body.hidden = body.dataset.scope !== scope)));
}

function sortable() {
  document.querySelectorAll('.members').forEach((table) => {
    table.querySelectorAll('thead button').forEach((button) => button.addEventListener('click', () => sortBy(table, button.closest('th'))));
  });
}

function sortBy(table, head) {
  const column = [...head.parentNode.children].indexOf(head);
  const downwards = head.getAttribute('aria-sort') ? head.getAttribute('aria-sort') === 'ascending' : column > 0;
  head.parentNode.querySelectorAll('[aria-sort]').forEach((other) => other.removeAttribute('aria-sort'));
  head.setAttribute('aria-sort', downwards ? 'descending' : 'ascending');
  const value = (row) => row.children[column].dataset.value;
  const order = (a, b) => (column === 0 ? value(a).localeCompare(value(b), 'en', { numeric: true }) : Number(value(a)) - Number(value(b)));
  table.querySelectorAll('tbody').forEach((body) => body.append(...[...body.rows].sort((a, b) => (downwards ? order(b, a) : order(a, b)))));
}

// ------------------------------------------------------------ address of a moment: #day=2&slot=48&bus=bakery
function readAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const number = (name) => (/^\d+$/.test(wanted.get(name) || '') ? Number(wanted.get(name)) : null);
  if (number('day')) state.day = Math.min(DATA.days.length, number('day')) - 1;
  state.slot = number('slot') === null ? today().highlight : Math.min(today().slots - 1, number('slot'));
  const bus = DATA.buses.findIndex((each) => each.n === wanted.get('bus'));
  if (bus >= 0) state.chosen = { kind: 'bus', index: bus };
}

function keys(event) {
  const typing = event.target.closest('input, button, summary, [role="button"], .scroll, .table-card');
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'ArrowRight') chooseSlot(state.slot + 1);
  else if (event.key === 'ArrowLeft') chooseSlot(state.slot - 1);
  else if (event.key === ' ' && event.target === document.body) play(!state.playing);
  else return;
  event.preventDefault();
}

function redraw() {
  drawMap();
  plots.forEach(drawPlot);
}

function start() {
  readAddress();
  parts.transport.hidden = false;
  drawDays();
  segments(parts.labels, [['name', 'Names'], ['voltage', 'Voltages'], ['power', 'Power']], 'name', (value) => { state.labels = value; updateMap(); });
  drawScopes();
  sortable();
  drawKey();
  drawCharts();
  watch(['day'], () => { drawScrubMix(); plots.forEach(drawPlot); });
  watch(['slot'], () => { updateClock(); updateMap(); plots.forEach(moveCursor); });
  watch(['slot', 'chosen'], updateSide);
  watch(['chosen'], updateMap);
  parts.time.addEventListener('input', () => chooseSlot(Number(parts.time.value)));
  parts.play.addEventListener('click', () => {
    if (!state.playing && state.slot === today().slots - 1 && state.day === DATA.days.length - 1) startDay(0);
    play(!state.playing);
  });
  document.addEventListener('keydown', keys);
  let width = 0;
  new ResizeObserver(() => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    redraw();
  }).observe(document.body);
  redraw();
  drawScrubMix();
  updateClock();
  updateSide();
  document.documentElement.dataset.ready = 'yes';
}

start();
