// One chart: axes, cursor, legend with the figures of the chosen slot, and the same as a table.
// A chart is described by what it returns for a day: series of numbers, one per slot.
const MARGIN = { left: 44, right: 8, top: 12, bottom: 22 };
const plots = [];

function plot(host, spec) {
  const parts = {
    spec,
    svg: shape('svg', { role: 'img', height: spec.height }),
    legend: element('ul', { class: 'legend' }),
    table: element('div', { class: 'scroll', tabindex: 0 }),
  };
  const details = element('details', {}, element('summary', {}, 'Figures as a table'), parts.table);
  details.addEventListener('toggle', () => (details.open ? fillTable(parts) : parts.table.replaceChildren()));
  parts.details = details;
  parts.note = element('p', { class: 'note' });
  host.append(element('figure', { class: `chart card${spec.wide ? ' wide' : ''}` },
    element('h3', {}, spec.title), parts.note, parts.svg, parts.legend, details));
  follow(parts);
  plots.push(parts);
}

// Dragging sideways moves the clock; dragging up and down still scrolls the page.
function follow(parts) {
  const move = (event) => {
    const area = parts.svg.getBoundingClientRect();
    const share = (event.clientX - area.left - MARGIN.left) / (area.width - MARGIN.left - MARGIN.right);
    chooseSlot(Math.floor(share * today().slots));
  };
  parts.svg.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'mouse') parts.svg.setPointerCapture(event.pointerId);
    move(event);
  });
  parts.svg.addEventListener('pointermove', (event) => (event.buttons ? move(event) : null));
}

function drawPlot(parts) {
  const width = parts.svg.clientWidth || parts.svg.parentNode.clientWidth - 32;
  if (width < 60) return;
  const day = today();
  const view = parts.spec.view(day);
  const axis = axisOf(view, width, parts.spec.height, day.slots);
  parts.view = view;
  parts.axis = axis;
  parts.note.textContent = view.note;
  parts.svg.setAttribute('viewBox', `0 0 ${width} ${parts.spec.height}`);
  parts.svg.setAttribute('aria-label', `${parts.spec.title}. ${view.note}`);
  parts.cursor = shape('g', {});
  parts.svg.replaceChildren(...frame(axis, view, day), ...marks(view, axis), parts.cursor);
  parts.legend.replaceChildren(...legend(parts, view));
  if (parts.details.open) fillTable(parts);
  moveCursor(parts);
}

// ------------------------------------------------------------ axes
function axisOf(view, width, height, slots) {
  const room = (view.high - view.low) * 0.04;
  const [low, high] = [view.low < 0 ? view.low - room : view.low, view.high + room];
  const ticks = niceTicks(low / view.unit, high / view.unit, height < 240 ? 4 : 9).map((tick) => tick * view.unit);
  const inner = { w: width - MARGIN.left - MARGIN.right, h: height - MARGIN.top - MARGIN.bottom };
  return {
    ticks, slots, width, height,
    x: (slot) => MARGIN.left + (inner.w * slot) / slots,
    y: (value) => MARGIN.top + inner.h * (1 - (value - low) / (high - low || 1)),
  };
}

// Round numbers between `low` and `high`, at most `count` steps apart.
function niceTicks(low, high, count) {
  const raw = (high - low || 1) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= raw * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-6); i * step <= high + step * 1e-6; i += 1) ticks.push(i * step);
  return ticks;
}

// As many digits as it takes to tell the ticks of an axis apart.
function tickWords(tick, axis, view) {
  const [first, second] = [axis.ticks[0] / view.unit, (axis.ticks[1] || view.unit) / view.unit];
  const step = Math.abs(second - first);
  const some = [0, 1, 2, 3].find((fine) => Math.abs(step - Number(step.toFixed(fine))) < 1e-9 * Math.max(1, step)) ?? 3;
  return digits(Math.abs(tick / view.unit), some);
}

function frame(axis, view, day) {
  const across = axis.ticks.map((tick) => shape('line', { class: tick === 0 && view.low < 0 ? 'zero' : 'gridline', x1: MARGIN.left, x2: axis.width - MARGIN.right, y1: axis.y(tick), y2: axis.y(tick) }));
  const names = axis.ticks.map((tick) => shape('text', { x: MARGIN.left - 6, y: axis.y(tick) + 4, 'text-anchor': 'end' }, tickWords(tick, axis, view)));
  return [...across, ...names, ...hours(axis, day)];
}

function hours(axis, day) {
  const room = Math.max(1, Math.floor((axis.width - MARGIN.left) / 52));
  const span = (axis.slots * DATA.slotS) / 3600;
  const step = [0.25, 0.5, 1, 2, 3, 4, 6, 8, 12, 24].find((each) => span / each <= room) || 24;
  const texts = [];
  for (let hour = 0; hour <= span + 1e-9; hour += step) {
    const slot = (hour * 3600) / DATA.slotS;
    const end = slot >= axis.slots;
    texts.push(shape('text', { x: axis.x(slot), y: axis.height - 5, 'text-anchor': hour === 0 ? 'start' : end ? 'end' : 'middle' }, end && clock(slot, day) === '00:00' ? '24:00' : clock(slot, day)));
  }
  return texts;
}

// ------------------------------------------------------------ marks
const steps = (axis, values) => values.map((value, i) =>
  (value === null ? '' : `${i === 0 || values[i - 1] === null ? 'M' : 'L'}${f(axis.x(i))} ${f(axis.y(value))}H${f(axis.x(i + 1))}`)).join('');
const f = (value) => value.toFixed(1);

// Runs of slots in which both edges exist, each as one closed outline.
function band(axis, low, high) {
  let path = '';
  for (let i = 0; i < low.length; i += 1) {
    if (low[i] === null) continue;
    const from = i;
    while (i + 1 < low.length && low[i + 1] !== null) i += 1;
    path += `M${f(axis.x(from))} ${f(axis.y(high[from]))}`;
    for (let k = from; k <= i; k += 1) path += `V${f(axis.y(high[k]))}H${f(axis.x(k + 1))}`;
    for (let k = i; k >= from; k -= 1) path += `V${f(axis.y(low[k]))}H${f(axis.x(k))}`;
    path += 'Z';
  }
  return path;
}

function marks(view, axis) {
  return view.series.flatMap((series) => {
    if (series.kind === 'area') return [shape('path', { d: band(axis, series.low, series.high), style: `fill:${series.colour};stroke:var(--card);stroke-width:.6`, 'fill-opacity': series.opacity || 1 })];
    if (series.kind === 'line') return [shape('path', { d: steps(axis, series.values), style: `fill:none;stroke:${series.colour};stroke-width:${series.width || 2};stroke-linejoin:round`, 'stroke-dasharray': series.dash || null })];
    return [];
  });
}

// ------------------------------------------------------------ the chosen slot
function legend(parts, view) {
  parts.values = [];
  return view.series.map((series) => {
    if (series.kind === 'group') return element('li', { class: 'group' }, series.name);
    const style = series.dash ? `border-color:${series.colour}` : `background:${series.colour};opacity:${series.opacity || 1}`;
    const value = element('b', {});
    parts.values.push([value, series]);
    return element('li', {}, element('span', { class: `sw ${series.kind === 'line' ? (series.dash ? 'dash' : 'line') : ''}`, style }), series.name, value);
  });
}

function moveCursor(parts) {
  if (!parts.axis) return;
  const [axis, slot] = [parts.axis, state.slot];
  const [x0, x1] = [axis.x(slot), axis.x(slot + 1)];
  const tall = axis.height - MARGIN.top - MARGIN.bottom;
  parts.cursor.replaceChildren(
    shape('rect', { class: 'cursor-band', x: x0, width: Math.max(1, x1 - x0), y: MARGIN.top, height: tall }),
    shape('line', { class: 'cursor', x1: (x0 + x1) / 2, x2: (x0 + x1) / 2, y1: MARGIN.top - 4, y2: MARGIN.top + tall }));
  parts.values.forEach(([node, series]) => (node.textContent = series.read(slot)));
}

function fillTable(parts) {
  const columns = parts.view.series.filter((series) => series.read);
  const line = (cells, name, first) => element('tr', {}, element('th', { scope: first }, cells[0]), ...cells.slice(1).map((cell) => element(name, name === 'th' ? { scope: 'col' } : {}, cell)));
  const body = Array.from({ length: today().slots }, (_, slot) => line([clock(slot), ...columns.map((series) => series.read(slot))], 'td', 'row'));
  parts.table.replaceChildren(element('table', {}, element('thead', {}, line(['Time', ...columns.map((series) => series.name)], 'th', 'col')), element('tbody', {}, ...body)));
}
