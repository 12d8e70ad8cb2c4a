// How samples look, and how a page asks a kernel; put before the page that uses it.

const SVG = 'http://www.w3.org/2000/svg';
const COLOURS = ['#2b87d1', '#d9752b', '#2e9e5b', '#b455b6', '#d9453d', '#1f93a8', '#a8851e', '#7468d9'];

function askKernel(model) {
  const waiting = new Map();
  let number = 0;
  model.on('msg:custom', message => {
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  });
  return request =>
    new Promise((resolve, reject) => {
      const id = ++number;
      waiting.set(id, answer => (answer.error ? reject(new Error(answer.error)) : resolve(answer)));
      model.send({ ...request, id });
    });
}

// ---- how a sample looks, by kind

const draw = {
  image(stage, sample) {
    const frame = make('div', 'picture', stage);
    const image = make('img', '', frame);
    image.src = sample.image;
    image.alt = `sample ${sample.sample}`;
    image.draggable = false;
    frame.style.aspectRatio = `${sample.width} / ${sample.height}`;
    frame.classList.toggle('coarse', Math.max(sample.width, sample.height) < 200);
  },
  text(stage, sample) {
    make('blockquote', '', stage).textContent = sample.text || '(an empty text)';
  },
  plot(stage, sample) {
    const values = sample.curves.flat().filter(v => v !== null);
    const low = Math.min(...values, 0);
    const high = Math.max(...values, 0);
    const y = v => 190 - ((v - low) / (high - low || 1)) * 180;
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', '0 0 640 200');
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', `curve of ${sample.length} values from ${low.toPrecision(4)} to ${high.toPrecision(4)}`);
    sample.curves.forEach((curve, number) => {
      const path = document.createElementNS(SVG, 'path');
      let pen = 'M';
      const points = curve.map((v, i) => {
        if (v === null) {
          pen = 'M';
          return '';
        }
        const piece = `${pen}${((i / Math.max(1, curve.length - 1)) * 640).toFixed(1)} ${y(v).toFixed(1)}`;
        pen = 'L';
        return piece;
      });
      path.setAttribute('d', points.join(''));
      path.setAttribute('stroke', COLOURS[number % COLOURS.length]);
      svg.append(path);
    });
    stage.append(svg);
    make('div', 'dim', stage).textContent = `${low.toPrecision(4)} to ${high.toPrecision(4)}, ${sample.length} values`;
  },
  row(stage, sample) {
    const table = make('table', '', stage);
    for (const [name, text] of sample.values) {
      const row = make('tr', '', table);
      make('th', '', row).textContent = name;
      make('td', '', row).textContent = text;
    }
  }
};
draw.boxes = draw.image;

function make(tag, name, parent) {
  const node = document.createElement(tag);
  if (name) {
    node.className = name;
  }
  parent.append(node);
  return node;
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
