// The grid: buses where the scenario draws them, lines that show load and direction.
const LOAD_STOPS = [0, 0.25, 0.55, 0.8, 1];
const ICON_PX = 17;
const map = { host: document.getElementById('map'), links: [], buses: [], svg: null };

const loadColour = (ppm) => {
  const load = Math.min(1, ppm / 1e6);
  const next = Math.max(1, LOAD_STOPS.findIndex((stop) => load <= stop));
  const share = (load - LOAD_STOPS[next - 1]) / (LOAD_STOPS[next] - LOAD_STOPS[next - 1]);
  return `color-mix(in oklab, var(--load-${next}) ${Math.round(100 * share)}%, var(--load-${next - 1}))`;
};

const loadWidth = (ppm, narrow) => (narrow ? 1.8 : 2.5) + (narrow ? 5 : 7.5) * Math.min(1.2, ppm / 1e6);

// Voltage against the middle and the edges of the permitted band.
const voltageColour = (microPu) => {
  const [low, high] = DATA.band;
  const middle = (low + high) / 2;
  const share = Math.max(-1, Math.min(1, (microPu - middle) / ((high - low) / 2)));
  const end = share < 0 ? 'low' : 'high';
  return `color-mix(in oklab, var(--v-${end}) ${Math.round(100 * Math.min(1, Math.abs(share) * 1.6))}%, var(--v-mid))`;
};

// ------------------------------------------------------------ layout
function layout(width) {
  const narrow = width < 560;
  const xs = DATA.buses.map((bus) => bus.x);
  const ys = DATA.buses.map((bus) => bus.y);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const spanX = Math.max(1, Math.max(...xs) - left);
  const spanY = Math.max(1, Math.max(...ys) - top);
  const margin = narrow ? { x: 36, y: 36 } : { x: 74, y: 52 };
  const inner = width - 2 * margin.x;
  const tall = (inner * spanY) / spanX;
  const height = Math.max(narrow ? 260 : 240, Math.min(tall, narrow ? width * 1.5 : 640));
  const spots = DATA.buses.map((bus) => ({
    x: margin.x + (spanX > 1 ? ((bus.x - left) / spanX) * inner : inner / 2),
    y: margin.y + ((bus.y - top) / spanY) * height,
  }));
  const plan = { narrow, width, height: height + 2 * margin.y, spots, icon: narrow ? 12 : ICON_PX };
  spread(plan);
  return plan;
}

// Buses that the scenario draws on top of each other are moved apart, a little and in equal parts.
function spread(plan) {
  const [gap, tall] = [plan.narrow ? 5 : 9, plan.icon + 8];
  const half = DATA.buses.map((bus) => pillWidth(bus, plan.icon) / 2);
  for (let round = 0; round < 60; round += 1) {
    let moved = false;
    plan.spots.forEach((a, i) => plan.spots.slice(i + 1).forEach((b, k) => {
      const [dx, dy] = [b.x - a.x, b.y - a.y];
      const overX = half[i] + half[i + 1 + k] + gap - Math.abs(dx);
      const overY = tall + gap - Math.abs(dy);
      if (overX <= 0.1 || overY <= 0.1) return;
      moved = true;
      if (overX < overY) [a.x, b.x] = apart(a.x, b.x, overX);
      else [a.y, b.y] = apart(a.y, b.y, overY);
    }));
    plan.spots.forEach((spot, i) => {
      spot.x = Math.max(half[i] + 6, Math.min(plan.width - half[i] - 6, spot.x));
      spot.y = Math.max(tall, Math.min(plan.height - tall, spot.y));
    });
    if (!moved) return;
  }
}

const apart = (a, b, by) => (a <= b ? [a - by / 2, b + by / 2] : [a + by / 2, b - by / 2]);

const pillWidth = (bus, icon) => Math.max(1, Math.min(3, bus.k.length)) * (icon + 3) + 8;

// Each label takes the side on which it covers least; one that would cover another is left out.
function placeLabels(texts, plan) {
  const size = plan.narrow ? 10.5 : 12;
  const taken = plan.spots.map((spot, i) => box(spot.x, spot.y, pillWidth(DATA.buses[i], plan.icon) + 2, plan.icon + 10));
  return plan.spots.map((spot, i) => {
    const wide = textWidth(texts[i], size) + 6;
    const half = pillWidth(DATA.buses[i], plan.icon) / 2 + 4 + wide / 2;
    const rise = plan.icon / 2 + 7 + size * 0.75;
    const sides = [[0, rise], [0, -rise], [half, 0], [-half, 0], [half * 0.7, rise], [-half * 0.7, rise], [half * 0.7, -rise], [-half * 0.7, -rise]];
    const rated = sides.map(([dx, dy], order) => {
      const area = box(spot.x + dx, spot.y + dy, wide, size + 3);
      return { area, dx, dy, cost: cost(area, taken, i, plan) + order * 3 };
    });
    const best = rated.reduce((a, b) => (b.cost < a.cost ? b : a));
    if (best.cost >= 1000) return null;
    taken.push(best.area);
    return { x: spot.x + best.dx, y: spot.y + best.dy + size * 0.35 };
  });
}

const box = (x, y, w, h) => ({ x0: x - w / 2, x1: x + w / 2, y0: y - h / 2, y1: y + h / 2 });

const ruler = document.createElement('canvas').getContext('2d');
function textWidth(text, size) {
  ruler.font = `600 ${size}px system-ui, "Liberation Sans", Arial, sans-serif`;
  return ruler.measureText(text).width * 1.06;
}

function cost(area, taken, self, plan) {
  if (area.x0 < 2 || area.x1 > plan.width - 2 || area.y0 < 2 || area.y1 > plan.height - 2) return 1000;
  const hit = (other) => area.x0 < other.x1 && area.x1 > other.x0 && area.y0 < other.y1 && area.y1 > other.y0;
  if (taken.some((other, i) => i !== self && hit(other))) return 1000;
  const [x, y] = [(area.x0 + area.x1) / 2, (area.y0 + area.y1) / 2];
  const away = plan.spots.map((spot) => Math.hypot(spot.x - x, (spot.y - y) * 1.4));
  if (away.some((distance, i) => i !== self && distance < away[self] * 1.05)) return 1000;
  return 12 * DATA.links.filter((link) => crosses(area, plan.spots[link.p], plan.spots[link.c])).length;
}

function crosses(area, a, b) {
  for (let step = 0; step <= 24; step += 1) {
    const x = a.x + ((b.x - a.x) * step) / 24;
    const y = a.y + ((b.y - a.y) * step) / 24;
    if (x > area.x0 && x < area.x1 && y > area.y0 && y < area.y1) return true;
  }
  return false;
}

// ------------------------------------------------------------ drawing
function drawMap() {
  const width = map.host.clientWidth - 12;
  if (width < 60) return;
  const plan = layout(width);
  map.plan = plan;
  map.svg = shape('svg', { viewBox: `0 0 ${plan.width} ${plan.height}`, height: plan.height, role: 'group', 'aria-label': `Grid of ${DATA.buses.length} buses and ${DATA.links.length} lines` });
  map.svg.classList.toggle('narrow', plan.narrow);
  const halos = shape('g', { 'aria-hidden': 'true' });
  map.links = DATA.links.map((link, i) => drawLink(link, i, plan));
  map.buses = DATA.buses.map((bus, i) => drawBus(bus, i, plan));
  halos.append(...map.buses.map((bus) => bus.halo));
  map.words = shape('g', { 'aria-hidden': 'true' });
  map.svg.append(shape('g', { class: 'bus' }, halos), ...map.links.map((l) => l.node), ...map.buses.map((b) => b.node), map.words);
  map.host.replaceChildren(map.svg);
  updateMap();
}

function drawLink(link, index, plan) {
  const [a, b] = [plan.spots[link.p], plan.spots[link.c]];
  const path = `M${a.x} ${a.y}L${b.x} ${b.y}`;
  const base = shape('path', { d: path, class: 'link-base' });
  const flow = shape('path', { d: path, class: 'flow' });
  const size = plan.narrow ? 5 : 7;
  const arrow = shape('path', { class: 'arrow', d: `M${-size} ${-size}L${size} 0L${-size} ${size}Z` });
  const node = shape('g', { class: `link${link.tie ? ' tie' : ''}`, tabindex: 0, role: 'button' },
    shape('path', { d: path, class: 'link-hit' }), base, flow, arrow);
  activate(node, () => choose('link', index));
  const angle = (Math.atan2(b.y - a.y, b.x - a.x) * 180) / Math.PI;
  return { node, base, flow, arrow, angle, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

function drawBus(bus, index, plan) {
  const spot = plan.spots[index];
  const [icon, wide] = [plan.icon, pillWidth(bus, plan.icon)];
  const tall = icon + 8;
  const frame = (grow, name) => shape('rect', { class: name, x: -wide / 2 - grow, y: -tall / 2 - grow, width: wide + 2 * grow, height: tall + 2 * grow, rx: tall / 2 + grow });
  const pill = frame(0, 'pill');
  const kinds = bus.k.slice(0, 3);
  const icons = kinds.map((kind, i) =>
    shape('use', { href: `#i-${kind}`, x: (i - kinds.length / 2) * (icon + 3) + 1.5, y: -icon / 2, width: icon, height: icon }));
  const cross = shape('path', { class: 'cross', d: `M${-wide / 2} ${-tall / 2}L${wide / 2} ${tall / 2}M${wide / 2} ${-tall / 2}L${-wide / 2} ${tall / 2}` });
  const node = shape('g', { class: 'bus', tabindex: 0, role: 'button', transform: `translate(${spot.x} ${spot.y})` },
    frame(4, 'ring'), pill, ...icons, cross);
  activate(node, () => choose('bus', index));
  const halo = shape('circle', { class: 'halo', cx: spot.x, cy: spot.y, r: 0 });
  return { node, pill, halo };
}

function activate(node, act) {
  node.addEventListener('click', act);
  node.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== ' ') return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
}

// ------------------------------------------------------------ one moment
function updateMap() {
  if (!map.svg) return;
  const [day, slot, plan] = [today(), state.slot, map.plan];
  const most = Math.max(1, ...DATA.days.flatMap((each) => each.net.flat().map(Math.abs)));
  map.links.forEach((parts, i) => updateLink(parts, i, day, slot, plan));
  map.buses.forEach((parts, i) => updateBus(parts, i, day, slot, plan, most));
  map.svg.classList.toggle('playing', state.playing && !calm.matches);
  updateLabels();
}

function updateLink(parts, index, day, slot, plan) {
  const [flow, load, link] = [day.flow[index][slot], day.load[index][slot], DATA.links[index]];
  const colour = loadColour(load);
  const idle = Math.abs(flow) < 0.002 * Math.max(link.rd, link.ru);
  const width = loadWidth(load, plan.narrow);
  parts.base.style.stroke = colour;
  parts.base.style.strokeWidth = width;
  parts.flow.setAttribute('class', `flow${!idle && !link.tie ? ' on' : ''}${flow < 0 ? ' up' : ''}`);
  parts.arrow.style.fill = colour;
  parts.arrow.style.opacity = idle ? 0 : 1;
  const grow = 0.75 + width / 11;
  parts.arrow.setAttribute('transform', `translate(${parts.x} ${parts.y}) rotate(${parts.angle + (flow < 0 ? 180 : 0)}) scale(${grow})`);
  parts.node.classList.toggle('chosen', isChosen('link', index));
  parts.node.setAttribute('aria-label', linkWords(index, day, slot));
}

function linkWords(index, day, slot) {
  const link = DATA.links[index];
  const [flow, load] = [day.flow[index][slot], day.load[index][slot]];
  const [from, to] = flow < 0 ? [link.c, link.p] : [link.p, link.c];
  return `${link.tie ? 'Controllable tie' : 'Line'} ${link.n}: ${kilowatts(Math.abs(flow))} from ${DATA.buses[from].t} to ${DATA.buses[to].t}, loaded ${percent(load)}`;
}

function updateBus(parts, index, day, slot, plan, most) {
  const [net, volt, bus] = [day.net[index][slot], day.volt[index][slot], DATA.buses[index]];
  const reach = plan.narrow ? 25 : 44;
  parts.halo.setAttribute('class', `halo ${net < 0 ? 'take' : 'give'}`);
  parts.halo.setAttribute('r', net === 0 ? 0 : 4 + reach * Math.sqrt(Math.abs(net) / most));
  parts.pill.style.stroke = voltageColour(volt);
  const dead = isDead(index);
  parts.node.classList.toggle('dead', dead);
  parts.node.classList.toggle('chosen', isChosen('bus', index));
  parts.node.setAttribute('aria-label', `${bus.t}${dead ? ', its router is dead' : ''}: ${netWords(net)}, voltage ${perUnit(volt)} per unit`);
}

const netWords = (net) => (net === 0 ? 'exchanges nothing' : `${net > 0 ? 'gives' : 'takes'} ${kilowatts(Math.abs(net))}`);
const isChosen = (kind, index) => state.chosen !== null && state.chosen.kind === kind && state.chosen.index === index;

function updateLabels() {
  const day = today();
  const texts = DATA.buses.map((bus, i) => {
    if (state.labels === 'voltage') return `${perUnit(day.volt[i][state.slot])}`;
    if (state.labels === 'power') return kilowatts(day.net[i][state.slot]).replace('-', '−');
    return bus.t;
  });
  const key = `${state.labels}${map.plan.width}${state.labels === 'name' ? '' : texts.join()}`;
  if (map.words.dataset.key === key) return;
  map.words.dataset.key = key;
  const spots = placeLabels(texts, map.plan);
  map.words.replaceChildren(...spots.map((spot, i) =>
    spot && shape('text', { class: 'map-label', x: spot.x, y: spot.y, 'text-anchor': 'middle' }, texts[i])).filter(Boolean));
}
