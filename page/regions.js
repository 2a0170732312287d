// Shows regions, and lets a part be drawn on a picture of the view Inspect.
const stage = () => element.closest('.stage').dataset;
const mark = (name, on) => { if (on) stage()[name] = 'on'; else delete stage()[name]; };
const leaving = (on) => {
    mark('leaving', on);
    element.querySelector('button').ariaPressed = on;
};
element.addEventListener('change', (event) => {
    if (event.target.matches('input')) mark('regions', event.target.checked);
});
element.addEventListener('click', (event) => {
    if (!event.target.closest('button')) return;
    if (props.value) trigger('select', {box: ''});
    else leaving(!stage().leaving);
});
document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') leaving(false);
});
document.addEventListener('pointerdown', (event) => {
    const frame = stage().leaving && event.target.closest('#stage .frame');
    if (!frame) return;
    event.preventDefault();
    const edge = frame.getBoundingClientRect();
    const at = (e) => [(e.clientX - edge.left) / edge.width, (e.clientY - edge.top) / edge.height]
        .map((part) => Math.min(1, Math.max(0, part)));
    const [x, y] = at(event);
    const drawn = frame.appendChild(Object.assign(document.createElement('span'), {className: 'ignored'}));
    let box = [x, y, x, y];
    const move = (e) => {
        const [u, v] = at(e);
        box = [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)];
        drawn.style.cssText = `left: ${100 * box[0]}%; top: ${100 * box[1]}%;
            width: ${100 * (box[2] - box[0])}%; height: ${100 * (box[3] - box[1])}%`;
    };
    const end = () => {
        document.removeEventListener('pointermove', move);
        document.removeEventListener('pointerup', end);
        document.removeEventListener('pointercancel', end);
        drawn.remove();
        if (box[2] - box[0] < 0.01 || box[3] - box[1] < 0.01) return;
        leaving(false);
        trigger('select', {box: box.map((part) => part.toFixed(5)).join(',')});
    };
    document.addEventListener('pointermove', move);
    document.addEventListener('pointerup', end);
    document.addEventListener('pointercancel', end);
});
