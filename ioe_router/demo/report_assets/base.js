// What every part of the page shares: the data, the chosen moment, numbers in words, elements.
const DATA = JSON.parse(document.getElementById('data').textContent);
const state = { day: 0, slot: 0, chosen: null, labels: 'name', playing: false };
const watchers = { day: [], slot: [], chosen: [], size: [] };
const calm = matchMedia('(prefers-reduced-motion: reduce)');

const watch = (kinds, act) => kinds.forEach((kind) => watchers[kind].push(act));
const tell = (kind) => watchers[kind].forEach((act) => act());
const today = () => DATA.days[state.day];

function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function show(name) {
  const colour = DATA.colours[name] || 'other';
  return `var(--c-${colour})`;
}

// ------------------------------------------------------------ numbers in words
const digits = (value, places) =>
  value.toLocaleString('en-US', { minimumFractionDigits: places, maximumFractionDigits: places });
const places = (size) => (size === 0 ? 0 : size < 10 ? 2 : size < 1000 ? 1 : 0);
const kilo = (value) => digits(value, places(Math.abs(value)));
const kilowatts = (watts) => `${kilo(watts / 1000)} kW`;
const powerOf = (joules) => kilowatts(joules / DATA.slotS);
const energy = (joules) => `${kilo(joules / 3.6e6)} kWh`;
const perUnit = (microPu) => digits(microPu / 1e6, 3);
const price = (micro) => `${digits(micro / 1e4, 1)} ${DATA.cent}`;
const percent = (ppm) => `${digits(ppm / 1e4, ppm < 1e5 ? 1 : 0)} %`;

function clock(slot, day = today()) {
  const seconds = (((day.first + slot * DATA.slotS) % 86400) + 86400) % 86400;
  const two = (value) => String(value).padStart(2, '0');
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor((seconds % 3600) / 60))}`;
}

// ------------------------------------------------------------ the chosen moment
function chooseSlot(slot) {
  const last = today().slots - 1;
  const next = Math.max(0, Math.min(last, Math.round(slot)));
  if (next === state.slot) return;
  state.slot = next;
  tell('slot');
}

function chooseDay(day) {
  state.day = Math.max(0, Math.min(DATA.days.length - 1, day));
  state.slot = Math.min(state.slot, today().slots - 1);
  tell('day');
  tell('slot');
}

function choose(kind, index) {
  const same = state.chosen && state.chosen.kind === kind && state.chosen.index === index;
  state.chosen = kind === null || same ? null : { kind, index };
  tell('chosen');
}

const isDead = (bus, day = today(), slot = state.slot) =>
  day.dead.some(([dead, from]) => dead === bus && slot >= from);

// A row of buttons of which one is pressed; `pick` gets the value of the pressed one.
function segments(host, options, current, pick) {
  const buttons = options.map(([value, text]) => {
    const button = element('button', { type: 'button', 'aria-pressed': value === current }, text);
    button.addEventListener('click', () => {
      buttons.forEach((other) => other.setAttribute('aria-pressed', other === button));
      pick(value);
    });
    return button;
  });
  host.replaceChildren(...buttons);
}
