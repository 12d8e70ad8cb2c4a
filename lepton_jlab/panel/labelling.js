// The page on which samples are labelled: keys first, the mouse for boxes. It talks to whoever has
// the labels through `ask(request) -> Promise<answer>`, so a notebook's kernel and a server do alike.
// What samples look like is in samples.js, which stands before this in what a browser gets.

const KEYS = [...'1234567890qwertyuiopasdfghjklxcvbnm']; // z takes back
const PATIENCE = 4000; // ms until a label that is not confirmed is called unsaved
const AHEAD = 3; // samples that wait in the browser before more are asked for

export default {
  render({ model, el }) {
    const page = new Page(el, askKernel(model));
    const pushed = message => message.pushed && page.take(message);
    model.on('msg:custom', pushed);
    page.start();
    return () => {
      model.off('msg:custom', pushed);
      page.close();
    };
  }
};

export function mount(el, ask) {
  const page = new Page(el, ask);
  page.start();
  return () => page.close();
}

class Page {
  constructor(el, ask) {
    this.ask = ask;
    this.queue = []; // samples that wait
    this.past = []; // samples that were shown, the newest last
    this.unsaved = new Set();
    this.state = null;
    this.current = null;
    this.boxes = [];
    this.chosen = -1; // of the boxes
    this.pen = 0; // the class that a new box gets
    this.root = make('div', 'lepton-label', el);
    this.root.tabIndex = 0;
    this.root.setAttribute('role', 'application');
    this.root.setAttribute('aria-label', 'Labelling: keys give labels, question mark shows them');
    this.root.dataset.lmSuppressShortcuts = 'true'; // d d is two labels, and not a deleted cell
    this.root.addEventListener('keydown', event => this.key(event));
    const main = make('div', 'main', this.root);
    this.stage = make('div', 'stage', main);
    this.line = make('div', 'line', main);
    const side = make('div', 'side', this.root);
    this.progress = make('div', 'far', side);
    this.list = make('ol', 'classes', side);
    this.tools = make('div', 'tools', side);
    this.notice = make('div', 'notice', side);
    this.notice.setAttribute('role', 'status');
    this.button('Skip', 'space', () => this.skip());
    this.button('Undo', 'z', () => this.undo());
    this.button('Back', '←', () => this.back());
    this.saver = this.button('Save', 'enter', () => this.save());
    this.help = make('details', 'help', side);
    make('summary', '', this.help).textContent = 'Keys';
  }

  async start() {
    try {
      this.take(await this.ask({ do: 'open', have: [] }));
      this.next();
      this.root.focus({ preventScroll: true });
    } catch (error) {
      this.say(error.message, true);
    }
  }

  close() {
    this.root.remove();
  }

  // ---- what comes from the labels

  take(answer) {
    this.state = answer.state;
    const queue = answer.reordered ? [] : this.queue;
    const shown = [...queue, ...this.past, this.current].filter(Boolean);
    const known = new Set(shown.map(s => s.sample)); // of the past, some may not be saved yet
    if (answer.reordered) {
      this.queue = [];
    }
    this.queue.push(...answer.samples.filter(s => !known.has(s.sample)));
    this.drawClasses();
    this.drawProgress();
  }

  async tell(request) {
    const token = { request };
    this.unsaved.add(token);
    this.drawProgress();
    const late = setTimeout(() => this.warn(), PATIENCE);
    try {
      const have = [this.current, ...this.queue].filter(Boolean).map(s => s.sample);
      this.take(await this.ask({ ...request, have }));
      this.unsaved.delete(token);
      this.warn();
      if (!this.current) {
        this.next();
      }
      return true;
    } catch (error) {
      this.unsaved.delete(token);
      this.say(error.message, true);
      return false;
    } finally {
      clearTimeout(late);
      this.drawProgress();
    }
  }

  warn() {
    const count = this.unsaved.size;
    this.say(
      count
        ? `${count} label${count > 1 ? 's are' : ' is'} not saved yet: the kernel is busy or gone. ` +
            'What is saved stays; run the cell again after a restart.'
        : '',
      count > 0
    );
  }

  // ---- what the person does

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === 'SUMMARY') {
      return;
    }
    const place = KEYS.indexOf(event.key.toLowerCase());
    const acts = {
      ' ': () => this.skip(),
      Enter: () => this.save(),
      z: () => this.undo(),
      Backspace: () => (this.chosen >= 0 ? this.drop() : this.undo()),
      Delete: () => this.drop(),
      Tab: () => this.step(event.shiftKey ? -1 : 1),
      Escape: () => this.select(-1),
      '?': () => (this.help.open = !this.help.open)
    };
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (this.boxed && this.chosen >= 0 && event.key in moves) {
      this.nudge(moves[event.key], event.shiftKey);
    } else if (event.key === 'ArrowLeft') {
      this.back();
    } else if (event.key === 'ArrowRight') {
      this.forward();
    } else if (event.key === 'Tab' && !(this.boxed && this.boxes.length)) {
      return;
    } else if (event.key in acts && (event.target === this.root || event.key !== 'Enter')) {
      acts[event.key]();
    } else if (place >= 0 && place < (this.state?.classes.length ?? 0)) {
      this.choose(place);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  get boxed() {
    return this.state?.kind === 'boxes';
  }

  choose(number) {
    if (this.boxed) {
      this.pen = number;
      if (this.chosen >= 0) {
        this.boxes[this.chosen].label = number;
      }
      this.drawBoxes();
      this.drawClasses();
    } else if (this.ready()) {
      this.commit({ do: 'give', label: number });
    }
  }

  save() {
    if (this.boxed && this.ready()) {
      this.commit({ do: 'boxes', boxes: this.boxes.map(b => ({ label: b.label, box: b.box })) });
    }
  }

  skip() {
    if (this.ready()) {
      this.commit({ do: 'skip' });
    }
  }

  ready() {
    return this.current !== null && this.unsaved.size < AHEAD;
  }

  commit(request) {
    const sample = this.current;
    sample.given = request.do === 'give' ? [{ label: request.label }] : request.boxes ?? [];
    sample.skipped = request.do === 'skip';
    this.past.push(sample);
    this.next();
    this.tell({ ...request, sample: sample.sample }).then(kept => {
      if (!kept) {
        this.past = this.past.filter(one => one !== sample);
        this.show(sample); // so that it can be given again
      }
    });
  }

  async undo() {
    try {
      const answer = await this.ask({ do: 'undo', have: this.queue.map(s => s.sample) });
      this.take(answer);
      if (answer.undone) {
        this.past = this.past.filter(one => one.sample !== answer.undone.sample);
        this.queue = this.queue.filter(one => one.sample !== answer.undone.sample);
        this.show(answer.undone);
      } else {
        this.say('There is nothing of yours to take back.');
      }
    } catch (error) {
      this.say(error.message, true);
    }
  }

  back() {
    const before = this.past.pop();
    if (before) {
      this.show(before);
    }
  }

  forward() {
    if (this.current?.given?.length || this.current?.skipped) {
      this.past.push(this.current);
      this.current = null;
      this.next();
    }
  }

  // ---- samples

  next() {
    this.show(null, this.queue.shift() ?? null);
  }

  show(instead, sample = instead) {
    if (instead && this.current && this.current !== instead) {
      this.queue.unshift(this.current);
    }
    this.current = sample;
    this.chosen = -1;
    this.boxes = (sample?.given ?? []).filter(g => g.box).map(g => ({ label: g.label, box: [...g.box] }));
    this.stage.replaceChildren();
    if (!sample) {
      const done = this.state && this.state.done >= this.state.total;
      make('div', 'empty', this.stage).textContent = done
        ? 'All samples have a label of yours.'
        : this.state
          ? 'The next samples are on their way …'
          : 'Opening …';
    } else {
      draw[this.state.kind](this.stage, sample);
    }
    this.line.textContent = sample ? this.about(sample) : '';
    if (this.boxed && sample) {
      this.canvas();
    }
    this.drawClasses();
  }

  about(sample) {
    const given = (sample.given ?? []).map(g => this.state.classes[g.label]).join(', ');
    const said = sample.skipped ? ' · you skipped it' : given ? ` · you said ${given}` : '';
    const hint = sample.hint ? ` · ${sample.hint}` : '';
    return `Sample ${sample.sample.toLocaleString()}${said}${hint}`;
  }

  // ---- boxes

  canvas() {
    const image = this.stage.querySelector('img');
    const { width, height } = this.current;
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    svg.setAttribute('class', 'boxes');
    image.parentElement.append(svg);
    this.svg = svg;
    const at = event => {
      const frame = svg.getBoundingClientRect();
      return [
        clamp(((event.clientX - frame.left) / frame.width) * width, 0, width),
        clamp(((event.clientY - frame.top) / frame.height) * height, 0, height)
      ];
    };
    svg.addEventListener('pointerdown', event => {
      this.root.focus({ preventScroll: true });
      const [x, y] = at(event);
      const hit = event.target.dataset?.box;
      if (hit !== undefined && !event.shiftKey) {
        this.drag(event, svg, at, Number(hit), [x, y]);
        return;
      }
      this.boxes.push({ label: this.pen, box: [x, y, 0, 0] });
      this.chosen = this.boxes.length - 1;
      svg.setPointerCapture(event.pointerId);
      svg.onpointermove = move => {
        const [u, v] = at(move);
        this.boxes[this.chosen].box = [Math.min(x, u), Math.min(y, v), Math.abs(u - x), Math.abs(v - y)];
        this.drawBoxes();
      };
      svg.onpointerup = () => {
        svg.onpointermove = svg.onpointerup = null;
        const [, , wide, high] = this.boxes[this.chosen].box;
        if (wide < 1 || high < 1) {
          this.boxes.pop();
          this.select(-1); // a click beside all boxes
        }
        this.drawBoxes();
      };
    });
    this.drawBoxes();
  }

  drag(event, svg, at, number, from) {
    this.select(number);
    const [left, top, wide, high] = this.boxes[number].box;
    svg.setPointerCapture(event.pointerId);
    svg.onpointermove = move => {
      const [u, v] = at(move);
      this.boxes[number].box = this.inside([left + u - from[0], top + v - from[1], wide, high]);
      this.drawBoxes();
    };
    svg.onpointerup = () => (svg.onpointermove = svg.onpointerup = null);
  }

  inside([x, y, wide, high]) {
    const { width, height } = this.current;
    const w = clamp(wide, 1, width);
    const h = clamp(high, 1, height);
    return [clamp(x, 0, width - w), clamp(y, 0, height - h), w, h];
  }

  nudge([x, y], resize) {
    const box = this.boxes[this.chosen].box;
    const changed = resize ? [box[0], box[1], box[2] + x, box[3] + y] : [box[0] + x, box[1] + y, box[2], box[3]];
    this.boxes[this.chosen].box = this.inside(changed);
    this.drawBoxes();
  }

  step(by) {
    this.select((this.chosen + by + this.boxes.length) % this.boxes.length);
  }

  select(number) {
    this.chosen = number;
    if (number >= 0) {
      this.pen = this.boxes[number].label;
    }
    this.drawBoxes();
    this.drawClasses();
  }

  drop() {
    if (this.chosen >= 0) {
      this.boxes.splice(this.chosen, 1);
      this.select(-1);
    }
  }

  drawBoxes() {
    if (!this.svg || !this.boxed) {
      return;
    }
    this.svg.replaceChildren();
    this.boxes.forEach(({ label, box: [x, y, wide, high] }, number) => {
      const rect = document.createElementNS(SVG, 'rect');
      Object.entries({ x, y, width: wide, height: high }).forEach(([k, v]) => rect.setAttribute(k, v));
      rect.setAttribute('stroke', COLOURS[label % COLOURS.length]);
      rect.setAttribute('class', number === this.chosen ? 'chosen' : '');
      rect.dataset.box = number;
      const name = document.createElementNS(SVG, 'title');
      name.textContent = this.state.classes[label];
      rect.append(name);
      this.svg.append(rect);
    });
    const said = this.boxes.map(b => this.state.classes[b.label]).join(', ') || 'no object';
    this.line.textContent = `Sample ${this.current.sample.toLocaleString()} · ${said}`;
  }

  // ---- the side

  drawClasses() {
    if (!this.state) {
      return;
    }
    const given = new Set((this.current?.given ?? []).map(g => g.label));
    this.list.replaceChildren();
    this.state.classes.forEach((name, number) => {
      const row = make('li', '', this.list);
      const button = make('button', '', row);
      const active = this.boxed ? number === this.pen : given.has(number);
      button.setAttribute('aria-pressed', String(active));
      make('kbd', '', button).textContent = KEYS[number] ?? '';
      make('span', 'name', button).textContent = name;
      make('span', 'count', button).textContent = this.state.counts[name] || '';
      if (this.boxed) {
        button.style.setProperty('--ink', COLOURS[number % COLOURS.length]);
      }
      button.addEventListener('click', () => {
        this.choose(number);
        this.root.focus({ preventScroll: true });
      });
    });
    this.saver.hidden = !this.boxed;
    const keys = this.boxed
      ? 'Drag a box; a key gives it its class; Tab goes to the next box, arrows move it, Shift+arrows ' +
        'resize it, Delete removes it; Enter saves and goes on; space skips; z takes back.'
      : 'A key gives the class; space skips; z or Backspace takes back; ← and → look at earlier ones.';
    this.help.lastChild?.nodeName === 'P' && this.help.lastChild.remove();
    make('p', '', this.help).textContent = keys;
  }

  drawProgress() {
    if (!this.state) {
      return;
    }
    const { done, total, annotator, order, agreement } = this.state;
    this.progress.replaceChildren();
    const bar = make('progress', '', this.progress);
    bar.max = total;
    bar.value = done;
    bar.setAttribute('aria-label', 'labelled samples');
    const saving = this.unsaved.size ? ' · saving …' : '';
    make('div', 'told', this.progress).textContent =
      `${done.toLocaleString()} of ${total.toLocaleString()} by ${annotator}${saving}`;
    make('div', 'dim', this.progress).textContent = [order, agreement].filter(Boolean).join(' · ');
  }

  button(text, key, act) {
    const button = make('button', '', this.tools);
    make('span', '', button).textContent = text;
    make('kbd', '', button).textContent = key;
    button.addEventListener('click', () => {
      act();
      this.root.focus({ preventScroll: true });
    });
    return button;
  }

  say(text, bad = false) {
    this.notice.textContent = text;
    this.notice.classList.toggle('bad', bad);
  }
}
