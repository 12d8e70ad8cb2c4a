// The page on which findings are looked at, one sample after another, and decided.

const ROWS = 200; // of the list; the rest follows when asked for
const KEYS_OF_CLASSES = [...'1234567890'];

export default { render: ({ model, el }) => mount(el, askKernel(model)) };

export function mount(el, ask) {
  const page = new Page(el, ask);
  page.start();
  return () => page.root.remove();
}

class Page {
  constructor(el, ask) {
    this.ask = ask;
    this.known = new Map(); // documents by sample
    this.place = 0;
    this.only = '';
    this.rows = ROWS;
    this.root = make('div', 'lepton-label lepton-review', el);
    this.root.tabIndex = 0;
    this.root.dataset.lmSuppressShortcuts = 'true';
    this.root.setAttribute('role', 'application');
    this.root.setAttribute('aria-label', 'Findings: arrows move, d drops, k keeps');
    this.root.addEventListener('keydown', event => this.key(event));
    this.kinds = make('div', 'kinds', this.root);
    this.list = make('ol', 'findings', this.root);
    const main = make('div', 'main', this.root);
    this.stage = make('div', 'pair', main);
    this.line = make('div', 'line', main);
    this.reasons = make('ul', 'reasons', main);
    this.choices = make('div', 'tools', main);
    const foot = make('div', 'foot', this.root);
    this.told = make('div', 'told', foot);
    const form = make('form', 'apply', foot);
    this.name = make('input', '', form);
    this.name.placeholder = 'clean.zarr';
    this.name.setAttribute('aria-label', 'name of the dataset to write');
    this.button = make('button', '', form);
    this.button.textContent = 'Write it';
    form.addEventListener('submit', event => {
      event.preventDefault();
      this.apply();
    });
    form.addEventListener('keydown', event => event.stopPropagation());
    this.notice = make('div', 'notice', foot);
    this.notice.setAttribute('role', 'status');
  }

  async start() {
    try {
      this.state = await this.ask({ do: 'open' });
    } catch (error) {
      this.say(error.message, true);
      return;
    }
    this.samples = [...new Set(this.state.findings.filter(f => f.index !== null).map(f => f.index))];
    this.drawKinds();
    await this.go(0);
    this.root.focus({ preventScroll: true });
  }

  get chosen() {
    const of = this.state.findings.filter(f => f.index !== null && (!this.only || f.kind === this.only));
    return [...new Set(of.map(f => f.index))];
  }

  async do(request) {
    try {
      const answer = await this.ask(request);
      Object.assign(this.state, answer);
      this.draw();
    } catch (error) {
      this.say(error.message, true);
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === 'INPUT') {
      return;
    }
    const digit = KEYS_OF_CLASSES.indexOf(event.key);
    const acts = {
      ArrowDown: () => this.go(this.place + 1),
      ArrowUp: () => this.go(this.place - 1),
      j: () => this.go(this.place + 1),
      d: () => this.decide('drop'),
      k: () => this.decide('keep'),
      s: () => this.suggest()
    };
    if (event.key in acts) {
      acts[event.key]();
    } else if (digit >= 0 && digit < this.state.classes.length) {
      this.decide(digit);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  async decide(decision) {
    const sample = this.chosen[this.place];
    if (sample !== undefined) {
      await this.do({ do: 'decide', sample, decision });
      await this.go(this.place + 1);
    }
  }

  suggest() {
    const found = this.of(this.chosen[this.place]).find(f => f.suggested !== undefined);
    if (found) {
      this.decide(found.suggested);
    }
  }

  of(sample) {
    return this.state.findings.filter(f => f.index === sample);
  }

  async go(place) {
    const samples = this.chosen;
    this.place = clamp(place, 0, Math.max(0, samples.length - 1));
    while (this.place >= this.rows) {
      this.rows += ROWS;
    }
    const wanted = samples.slice(this.place, this.place + 4).filter(s => !this.known.has(s));
    if (wanted.length) {
      try {
        for (const document of (await this.ask({ do: 'show', samples: wanted })).shown) {
          this.known.set(document.sample, document);
        }
      } catch (error) {
        this.say(error.message, true);
      }
    }
    this.draw();
  }

  // ---- what is seen

  draw() {
    const samples = this.chosen;
    const { counts, decisions, classes } = this.state;
    this.told.textContent =
      `${counts.dropped.toLocaleString()} dropped, ${counts.relabelled.toLocaleString()} get another class, ` +
      `${counts.left.toLocaleString()} left`;
    this.list.replaceChildren();
    samples.slice(0, this.rows).forEach((sample, place) => {
      const row = make('li', '', this.list);
      const button = make('button', '', row);
      button.setAttribute('aria-current', String(place === this.place));
      make('span', 'count', button).textContent = sample.toLocaleString();
      make('span', 'name', button).textContent = [...new Set(this.of(sample).map(f => f.kind))].join(', ');
      const said = decisions[sample];
      make('span', `decision ${said}`, button).textContent = typeof said === 'number' ? classes[said] : said;
      button.addEventListener('click', () => this.go(place));
      if (place === this.place) {
        const top = row.offsetTop - this.list.offsetTop;
        if (top < this.list.scrollTop || top > this.list.scrollTop + this.list.clientHeight - 30) {
          this.list.scrollTop = top - this.list.clientHeight / 2;
        }
      }
    });
    if (samples.length > this.rows) {
      const more = make('button', 'more', make('li', '', this.list));
      more.textContent = `${(samples.length - this.rows).toLocaleString()} more`;
      more.addEventListener('click', () => {
        this.rows += ROWS;
        this.draw();
      });
    }
    this.drawSample(samples[this.place]);
  }

  drawSample(sample) {
    this.stage.replaceChildren();
    this.reasons.replaceChildren();
    this.choices.replaceChildren();
    const document = this.known.get(sample);
    if (sample === undefined || !document) {
      make('div', 'empty', this.stage).textContent = 'Nothing was found.';
      this.line.textContent = '';
      return;
    }
    const found = this.of(sample);
    for (const shown of [document, document.twin].filter(Boolean)) {
      const frame = make('figure', 'stage', this.stage);
      draw[this.state.kind](frame, shown);
      make('figcaption', 'dim', frame).textContent =
        `sample ${shown.sample.toLocaleString()}${shown === document && document.label ? ` · ${document.label}` : ''}`;
    }
    this.line.textContent = '';
    for (const finding of found) {
      const row = make('li', '', this.reasons);
      make('b', '', row).textContent = finding.kind;
      row.append(` ${finding.reason} `);
      make('span', 'dim', row).textContent = `score ${finding.score.toFixed(2)}`;
    }
    const said = this.state.decisions[sample];
    const choice = (text, key, decision) => {
      const button = make('button', '', this.choices);
      make('span', '', button).textContent = text;
      make('kbd', '', button).textContent = key;
      button.setAttribute('aria-pressed', String(said === decision));
      button.addEventListener('click', () => this.decide(decision));
    };
    choice('Drop', 'd', 'drop');
    choice('Keep', 'k', 'keep');
    const suggested = found.find(f => f.suggested !== undefined)?.suggested;
    if (suggested !== undefined) {
      choice(`It is ${this.state.classes[suggested] ?? suggested}`, 's', suggested);
    }
    if (typeof said === 'number' && said !== suggested) {
      choice(`It is ${this.state.classes[said]}`, KEYS_OF_CLASSES[said] ?? '', said);
    }
  }

  drawKinds() {
    this.kinds.replaceChildren();
    const tab = (kind, text) => {
      const button = make('button', '', this.kinds);
      button.textContent = text;
      button.setAttribute('aria-pressed', String(kind === this.only));
      button.addEventListener('click', () => {
        this.only = kind;
        this.rows = ROWS;
        this.drawKinds();
        this.go(0);
      });
    };
    tab('', `all ${this.samples.length.toLocaleString()}`);
    for (const [kind, count] of Object.entries(this.state.kinds)) {
      tab(kind, `${kind} ${count.toLocaleString()}`);
    }
    if (this.only) {
      const all = (text, decision) => {
        const button = make('button', 'all', this.kinds);
        button.textContent = text;
        button.addEventListener('click', () => this.do({ do: 'all', kind: this.only, decision }));
      };
      all('drop all of these', 'drop');
      all('keep all of these', 'keep');
      if (this.state.findings.some(f => f.kind === this.only && f.suggested !== undefined)) {
        all('take all suggestions', 'suggested');
      }
    }
  }

  async apply() {
    const name = this.name.value.trim();
    if (!name) {
      this.say('Give the new dataset a name, such as clean.zarr.', true);
      return;
    }
    this.button.disabled = true;
    this.say('Writing …');
    try {
      const { written } = await this.ask({ do: 'apply', name });
      this.say(`${written.name} is written: ${written.samples.toLocaleString()} samples.`);
    } catch (error) {
      this.say(error.message, true);
    } finally {
      this.button.disabled = false;
    }
  }

  say(text, bad = false) {
    this.notice.textContent = text;
    this.notice.classList.toggle('bad', bad);
  }
}

