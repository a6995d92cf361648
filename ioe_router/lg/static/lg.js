// Makes pages live and large maps movable. Without it every page works, but has to be loaded again by hand.
'use strict';

// ------------------------------------------------------------ live
// The page is fetched again and its marked parts are exchanged, so the server alone knows how things look.
const button = document.getElementById('live');
const pollMs = Number(document.body.dataset.pollMs);
let timer = 0;
let busy = false;

const isLive = () => button.getAttribute('aria-pressed') === 'true';

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    const answer = await fetch(location.href, { credentials: 'same-origin' });
    if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    button.textContent = answer.ok ? 'Live' : 'No answer';
  } catch {
    button.textContent = 'No answer'; // the looking glass itself is away; asked again at the next turn
  } finally {
    busy = false;
  }
}

const partsOf = (root) => [...root.querySelectorAll('[data-live]')].map((part) => part.id).join();

function exchange(fresh) {
  if (partsOf(fresh) !== partsOf(document)) {
    location.reload(); // the page is built otherwise now: the first answer has come, say
    return;
  }
  for (const part of document.querySelectorAll('[data-live]')) {
    const next = fresh.getElementById(part.id);
    if (!next || next.isEqualNode(part)) continue;
    const focused = part.contains(document.activeElement) ? addressOf(document.activeElement, part) : null;
    const open = [...part.querySelectorAll('details')].map((each) => each.open);
    next.querySelectorAll('details').forEach((each, place) => { each.open = Boolean(open[place]); });
    part.replaceChildren(...document.importNode(next, true).childNodes);
    if (focused) part.querySelectorAll(focused.kind)[focused.place]?.focus({ preventScroll: true });
  }
  mark();
}

// Where the focus is, so that it is found again in what has taken the place: by kind and place.
function addressOf(node, part) {
  const kind = node.localName;
  return { kind, place: [...part.querySelectorAll(kind)].indexOf(node) };
}

function setLive(on) {
  button.setAttribute('aria-pressed', String(on));
  button.textContent = on ? 'Live' : 'Paused';
  clearInterval(timer);
  if (on) timer = setInterval(refresh, pollMs);
}

button.hidden = false;
button.addEventListener('click', () => { setLive(!isLive()); if (isLive()) refresh(); });
document.addEventListener('visibilitychange', () => { if (isLive()) refresh(); });

for (const select of document.querySelectorAll('[data-submit]')) {
  select.addEventListener('change', () => select.form.requestSubmit());
}
for (const node of document.querySelectorAll('.with-script-hidden')) node.hidden = true;

// ------------------------------------------------------------ large maps
const map = document.querySelector('.map.many');
const tools = document.getElementById('map-tools');
const whole = map && { x: 0, y: 0, w: map.viewBox.baseVal.width, h: map.viewBox.baseVal.height };
let view = whole && { ...whole };
let wanted = '';

function show(next) {
  const w = Math.min(whole.w, Math.max(whole.w / 30, next.w));
  const h = (w / whole.w) * whole.h;
  view = { w, h, x: Math.min(whole.w - w, Math.max(0, next.x)), y: Math.min(whole.h - h, Math.max(0, next.y)) };
  map.setAttribute('viewBox', `${view.x} ${view.y} ${view.w} ${view.h}`);
}

function zoom(factor, x = view.x + view.w / 2, y = view.y + view.h / 2) {
  const w = Math.min(whole.w, Math.max(whole.w / 30, view.w * factor));
  const real = w / view.w;
  show({ w, x: x - (x - view.x) * real, y: y - (y - view.y) * real });
}

function spot(event) {
  const frame = map.getBoundingClientRect();
  return [view.x + ((event.clientX - frame.left) / frame.width) * view.w, view.y + ((event.clientY - frame.top) / frame.height) * view.h];
}

// Marks what is looked for, also in shapes that have just been exchanged.
function mark() {
  if (!map) return [];
  const hits = [];
  for (const place of map.querySelectorAll('[data-name]')) {
    const hit = wanted !== '' && place.dataset.name.toLowerCase().includes(wanted);
    place.classList.toggle('found', hit);
    if (hit) hits.push(place);
  }
  return hits;
}

function find(text) {
  wanted = text.trim().toLowerCase();
  const hits = mark();
  const said = document.getElementById('found');
  said.replaceChildren();
  if (hits.length === 0) {
    said.textContent = wanted ? 'No node has this name.' : '';
    return;
  }
  const { name, x, y, href } = hits[0].dataset;
  show({ w: whole.w / 4, x: Number(x) - whole.w / 8, y: Number(y) - whole.h / 8 });
  said.append(hits.length > 1 ? `${hits.length} nodes, the first is ` : '');
  const link = href ? document.createElement('a') : document.createElement('b');
  if (href) link.href = href;
  link.textContent = name;
  said.append(link);
}

if (map) {
  tools.hidden = false;
  for (const each of tools.querySelectorAll('[data-zoom]')) {
    each.addEventListener('click', () => (Number(each.dataset.zoom) ? zoom(Number(each.dataset.zoom)) : show(whole)));
  }
  document.getElementById('find').addEventListener('input', (event) => find(event.target.value));
  map.addEventListener('wheel', (event) => {
    if (!event.ctrlKey) return; // the wheel alone scrolls the page
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.2 : 0.83, ...spot(event));
  }, { passive: false });
  let dragged = false;
  map.addEventListener('pointerdown', (down) => {
    dragged = false;
    if (down.pointerType === 'touch' && view.w === whole.w) return; // a finger scrolls the page
    const [fromX, fromY] = spot(down);
    const move = (event) => {
      if (!dragged && Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) < 4) return;
      if (!dragged) map.setPointerCapture(down.pointerId);
      dragged = true;
      const [x, y] = spot(event);
      show({ ...view, x: view.x - (x - fromX), y: view.y - (y - fromY) });
    };
    const end = () => {
      for (const kind of ['pointerup', 'pointercancel']) map.removeEventListener(kind, end);
      map.removeEventListener('pointermove', move);
    };
    map.addEventListener('pointermove', move);
    map.addEventListener('pointerup', end);
    map.addEventListener('pointercancel', end);
  });
  map.addEventListener('click', (event) => {
    const place = event.target.closest('[data-href]');
    if (!dragged && place && place.dataset.href) location.assign(place.dataset.href);
  });
}

setLive(true);
document.documentElement.dataset.ready = 'yes';
// When all of it is on the screen: the second frame from here, for whoever measures.
requestAnimationFrame(() => requestAnimationFrame(() => performance.mark('drawn')));
