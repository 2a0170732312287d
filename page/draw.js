// Draw a defect: strokes on the clean picture. The list of all strokes is sent each time, and the server draws them on
// the picture as it was; so none gets lost, and undo is a shorter list. Runs with `element`, `props`, `trigger`, `watch`.
const find = (what) => element.querySelector(what);
const stage = () => element.closest('.stage');
const colours = [...element.querySelectorAll('.colour')], widths = [...element.querySelectorAll('.width')];
const pressed = (buttons) => buttons.find((one) => one.ariaPressed === 'true').dataset;
const canvas = Object.assign(document.createElement('canvas'), {className: 'strokes'});
let strokes = [], shown = 0, asked = false, current = null, finger = null;  // `shown`: how many the picture itself shows
let onItsWay = false, again = false;  // one list at a time, or an older one may come last

function send() {
    asked = true;
    paint();
    again = onItsWay;
    if (onItsWay) return;
    onItsWay = true;
    trigger('draw', {picture: props.value.picture, strokes: JSON.stringify(strokes)});
}

/* What the picture does not show yet lies over it. */
function paint() {
    const frame = stage().querySelector('#clean .frame'), open = stage().dataset.drawing;
    if (!frame) return;
    const waiting = [...strokes.slice(shown), ...(current ? [current] : [])];
    if (!open && !waiting.length) return canvas.remove();
    if (canvas.parentElement !== frame) frame.append(canvas);
    const pixels = frame.clientWidth * devicePixelRatio * 2;
    [canvas.width, canvas.height] = [pixels, pixels * frame.clientHeight / frame.clientWidth];
    const pen = canvas.getContext('2d');
    pen.lineCap = pen.lineJoin = 'round';
    for (const [colour, width, places] of waiting) {
        pen.strokeStyle = find(`[data-colour=${colour}]`).style.getPropertyValue('--paint');
        pen.lineWidth = find(`[data-width=${width}]`).dataset.part * Math.max(canvas.width, canvas.height);
        pen.beginPath();
        for (let i = 0; i < places.length; i += 2) {
            pen.lineTo(places[i] / props.fine * canvas.width, places[i + 1] / props.fine * canvas.height);
        }
        if (places.length === 2) pen.lineTo(places[0] / props.fine * canvas.width, places[1] / props.fine * canvas.height);
        pen.stroke();
    }
}

function open(on) {
    if (on && stage().dataset.leaving) document.querySelector('#region-tools button').click();
    if (on) stage().dataset.drawing = 'on'; else delete stage().dataset.drawing;
    find('#draw').ariaExpanded = on;
    find('#draw').hidden = on;
    find('#draw-tools').hidden = !on;
    if (on) stage().querySelector('#clean').scrollIntoView({block: 'nearest'});
    find(on ? '.colour[aria-pressed=true]' : '#draw').focus({preventScroll: true});
    allow();
    paint();
}

function allow() {
    for (const name of ['undo', 'clear']) find(`[data-does=${name}]`).disabled = !strokes.length;
    find('[data-does=scratch]').disabled = strokes.length >= props.most_strokes;
}

function add(stroke) {
    if (strokes.length >= props.most_strokes) return;
    strokes.push(stroke);
    allow();
    send();
}

function back(left) {
    strokes = strokes.slice(0, left);
    shown = Math.min(shown, left);
    allow();
    send();
}

/* A line that trembles, somewhere on the middle of the picture: for who has no pointer. */
function scratch() {
    const between = (least, most) => least + Math.random() * (most - least);
    let [x, y, way] = [between(0.35, 0.65), between(0.35, 0.65), between(0, 2 * Math.PI)];
    const places = [];
    for (let i = 0; i < 24; i++) {
        places.push(...[x, y].map((part) => Math.round(Math.min(1, Math.max(0, part)) * props.fine)));
        way += between(-0.25, 0.25);
        [x, y] = [x + 0.011 * Math.cos(way), y + 0.011 * Math.sin(way)];
    }
    return [pressed(colours).colour, pressed(widths).width, places];
}

const does = {scratch: () => add(scratch()), undo: () => back(strokes.length - 1), clear: () => back(0), close: () => open(false)};
element.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (!button) return;
    if (button.id === 'draw') open(true);
    does[button.dataset.does]?.();
    for (const group of [colours, widths]) {
        if (group.includes(button)) for (const one of group) one.ariaPressed = one === button;
    }
});
stage().addEventListener('click', (event) => {
    if (event.target.closest('#region-tools button') && stage().dataset.leaving && stage().dataset.drawing) open(false);
});
document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && stage()?.dataset.drawing) open(false);
});

/* Listeners of the document: the frame is built anew with each answer, and the stroke goes on. */
const at = (event) => {
    const edge = stage().querySelector('#clean .frame').getBoundingClientRect();
    return [(event.clientX - edge.left) / edge.width, (event.clientY - edge.top) / edge.height]
        .map((part) => Math.round(Math.min(1, Math.max(0, part)) * props.fine));
};
document.addEventListener('pointerdown', (event) => {
    if (!stage()?.dataset.drawing || finger !== null || event.button || !event.target.closest('#clean .frame')) return;
    if (strokes.length >= props.most_strokes) return;
    event.preventDefault();
    finger = event.pointerId;
    current = [pressed(colours).colour, pressed(widths).width, at(event)];
    paint();
});
document.addEventListener('pointermove', (event) => {
    if (event.pointerId !== finger) return;
    let places = current[2];
    const [x, y] = at(event), [u, v] = places.slice(-2);
    if (Math.hypot(x - u, y - v) < 0.004 * props.fine) return;
    if (places.length >= 2 * props.most_points) current[2] = places = places.filter((_, i) => i % 4 < 2);
    places.push(x, y);
    paint();
});
const end = (event) => {
    if (event.pointerId !== finger) return;
    const stroke = current;
    finger = current = null;
    if (event.type === 'pointerup') add(stroke); else paint();
};
document.addEventListener('pointerup', end);
document.addEventListener('pointercancel', end);

element.addEventListener('drawn', () => {
    onItsWay = false;
    if (again) send();
});

let picture = props.value.picture;
watch('value', () => {
    shown = props.value.strokes;
    if (props.value.picture !== picture) [picture, strokes, asked, again] = [props.value.picture, [], false, false];
    if (shown === strokes.length) asked = false;
    if (!asked) strokes = strokes.slice(0, shown);  // the picture itself was taken anew
    allow();
    paint();
});
new MutationObserver(() => { if (stage()?.dataset.drawing || strokes.length > shown) paint(); })
    .observe(stage().querySelector('#clean'), {childList: true, subtree: true});
new ResizeObserver(paint).observe(stage());
