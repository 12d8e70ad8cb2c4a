/**
 * Lines as a terminal would show them: returns, backspaces, cursor moves, colours.
 *
 * Text without controls, which is nearly all of it, is cut at line ends and kept as it is; only
 * lines with controls become segments. So 10 MB take about as much memory as their characters.
 */

export interface ISegment {
  text: string;
  /** Class names, space-separated; empty for plain text. */
  style: string;
}

export type Line = string | ISegment[];

interface IStyle {
  fg: string;
  bg: string;
  bold: boolean;
  faint: boolean;
  italic: boolean;
  under: boolean;
  inverse: boolean;
}

const PLAIN: IStyle = {
  fg: '',
  bg: '',
  bold: false,
  faint: false,
  italic: false,
  under: false,
  inverse: false
};

// CSI, OSC, other escapes; then the controls that move the cursor or ring the bell.
const CONTROL =
  // eslint-disable-next-line no-control-regex
  /\x1b\[([0-9;:?]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]|\x1b[=>78cDEHMNOZ]|(\r\n|[\r\n\b\x00\x07\x0b\x0c\x0e\x0f])/g;
// eslint-disable-next-line no-control-regex
const UNFINISHED = /(?:\x1b(?:\[[0-9;:?]*|\][^\x07\x1b]{0,200}\x1b?|[()])?|\r)$/;
// eslint-disable-next-line no-control-regex
const ANY = /[\x00-\x08\x0b-\x1f]/;
const WIDEST = 4000; // columns a cursor may be moved to

export class Terminal {
  readonly lines: Line[] = [''];

  /** Write `text`; an escape sequence may be cut anywhere between two calls. */
  feed(text: string, stderr = false): void {
    text = this._rest + text;
    this._rest = '';
    const cut = UNFINISHED.exec(text.slice(-210));
    if (cut && cut[0]) {
      this._rest = cut[0];
      text = text.slice(0, text.length - cut[0].length);
    }
    if (stderr !== this._stderr) {
      this._stderr = stderr;
      this._class = this._classes();
    }
    if (!ANY.test(text)) {
      this._plain(text);
      return;
    }
    let at = 0;
    CONTROL.lastIndex = 0;
    for (let m = CONTROL.exec(text); m; m = CONTROL.exec(text)) {
      if (m.index > at) {
        this._write(text.slice(at, m.index));
      }
      at = CONTROL.lastIndex;
      if (m[3]) {
        this._move(m[3]);
      } else if (m[2]) {
        this._sequence(m[1], m[2]);
      }
    }
    if (at < text.length) {
      this._write(text.slice(at));
    }
  }

  /** The whole as plain text. */
  text(): string {
    return this.lines.map(plain).join('\n');
  }

  /** How many lines there are to show: an empty last one is not. */
  get count(): number {
    const n = this.lines.length;
    return n && plain(this.lines[n - 1]) === '' ? n - 1 : n;
  }

  private _plain(text: string): void {
    if (!text.includes('\n')) {
      this._write(text);
      return;
    }
    const parts = text.split('\n');
    this._write(parts[0]);
    for (let i = 1; i < parts.length; i++) {
      this._newline();
      if (parts[i]) {
        this._write(parts[i]);
      }
    }
  }

  private _newline(): void {
    this._row++;
    this._column = 0;
    if (this._row === this.lines.length) {
      this.lines.push('');
    }
  }

  private _write(text: string): void {
    if (!text) {
      return;
    }
    const line = this.lines[this._row];
    const width = length(line);
    if (this._column === width) {
      this.lines[this._row] = append(line, text, this._class);
    } else {
      const segments = typeof line === 'string' ? [{ text: line, style: '' }] : line;
      const padded =
        this._column > width
          ? [...segments, { text: ' '.repeat(this._column - width), style: '' }]
          : segments;
      this.lines[this._row] = merge([
        ...slice(padded, 0, this._column),
        { text, style: this._class },
        ...slice(padded, this._column + text.length, Infinity)
      ]);
    }
    this._column += text.length;
  }

  private _move(control: string): void {
    if (control === '\n' || control === '\r\n' || control === '\x0b' || control === '\x0c') {
      this._newline();
    } else if (control === '\r') {
      this._column = 0;
    } else if (control === '\b') {
      this._column = Math.max(0, this._column - 1);
    }
  }

  private _sequence(values: string, final: string): void {
    const n = parseInt(values, 10) || 0;
    switch (final) {
      case 'm':
        this._look(values);
        break;
      case 'A':
        this._row = Math.max(0, this._row - (n || 1));
        break;
      case 'B':
        for (let i = 0; i < Math.min(n || 1, 500); i++) {
          const column = this._column;
          this._newline();
          this._column = column;
        }
        break;
      case 'C':
        this._column = Math.min(WIDEST, this._column + (n || 1));
        break;
      case 'D':
        this._column = Math.max(0, this._column - (n || 1));
        break;
      case 'G':
        this._column = Math.min(WIDEST, Math.max(0, (n || 1) - 1));
        break;
      case 'K': {
        const line = this.lines[this._row];
        if (n === 2) {
          this.lines[this._row] = '';
        } else if (n === 0 && this._column < length(line)) {
          const segments = typeof line === 'string' ? [{ text: line, style: '' }] : line;
          this.lines[this._row] = merge(slice(segments, 0, this._column));
        }
        break;
      }
    }
  }

  private _look(values: string): void {
    const codes = values.split(/[;:]/).map(v => parseInt(v, 10) || 0);
    let s = { ...this._style };
    for (let i = 0; i < codes.length; i++) {
      const c = codes[i];
      if (c === 0) {
        s = { ...PLAIN };
      } else if (c === 1) {
        s.bold = true;
      } else if (c === 2) {
        s.faint = true;
      } else if (c === 3) {
        s.italic = true;
      } else if (c === 4) {
        s.under = true;
      } else if (c === 7) {
        s.inverse = true;
      } else if (c === 22) {
        s.bold = s.faint = false;
      } else if (c === 23) {
        s.italic = false;
      } else if (c === 24) {
        s.under = false;
      } else if (c === 27) {
        s.inverse = false;
      } else if (c >= 30 && c <= 37) {
        s.fg = String(c - 30);
      } else if (c >= 90 && c <= 97) {
        s.fg = String(c - 90);
      } else if (c === 39) {
        s.fg = '';
      } else if (c >= 40 && c <= 47) {
        s.bg = String(c - 40);
      } else if (c >= 100 && c <= 107) {
        s.bg = String(c - 100);
      } else if (c === 49) {
        s.bg = '';
      } else if (c === 38 || c === 48) {
        const [colour, used] = extended(codes.slice(i + 1));
        i += used;
        if (c === 38) {
          s.fg = colour;
        } else {
          s.bg = colour;
        }
      }
    }
    this._style = s;
    this._class = this._classes();
  }

  private _classes(): string {
    const s = this._style;
    const [fg, bg] = s.inverse ? [s.bg || 'inverse', s.fg || 'inverse'] : [s.fg, s.bg];
    return [
      this._stderr ? 'lp-Term-err' : '',
      fg ? `lp-Term-fg-${fg}` : '',
      bg ? `lp-Term-bg-${bg}` : '',
      s.bold ? 'lp-Term-bold' : '',
      s.faint ? 'lp-Term-faint' : '',
      s.italic ? 'lp-Term-italic' : '',
      s.under ? 'lp-Term-under' : ''
    ]
      .filter(Boolean)
      .join(' ');
  }

  private _row = 0;
  private _column = 0;
  private _style: IStyle = PLAIN;
  private _class = '';
  private _stderr = false;
  private _rest = '';
}

/** The nearest of the eight colours for 256-colour and true-colour codes, and how many it took. */
function extended(codes: number[]): [string, number] {
  if (codes[0] === 5) {
    return [eight(...cube(codes[1] ?? 0)), 2];
  }
  if (codes[0] === 2) {
    return [eight(codes[1] ?? 0, codes[2] ?? 0, codes[3] ?? 0), 4];
  }
  return ['', 0];
}

function cube(n: number): [number, number, number] {
  if (n < 16) {
    const on = n > 7 ? 255 : 170;
    return [n & 1 ? on : 0, n & 2 ? on : 0, n & 4 ? on : 0];
  }
  if (n > 231) {
    const grey = 8 + (n - 232) * 10;
    return [grey, grey, grey];
  }
  const step = [0, 95, 135, 175, 215, 255];
  const k = n - 16;
  return [step[Math.floor(k / 36)], step[Math.floor(k / 6) % 6], step[k % 6]];
}

function eight(r: number, g: number, b: number): string {
  const low = Math.min(r, g, b);
  const high = Math.max(r, g, b);
  if (high - low < 40) {
    return high > 110 ? '7' : '0';
  }
  const middle = (low + high) / 2;
  return String((r > middle ? 1 : 0) + (g > middle ? 2 : 0) + (b > middle ? 4 : 0));
}

export function plain(line: Line): string {
  return typeof line === 'string' ? line : line.map(s => s.text).join('');
}

function length(line: Line): number {
  return typeof line === 'string' ? line.length : line.reduce((n, s) => n + s.text.length, 0);
}

function append(line: Line, text: string, style: string): Line {
  if (typeof line === 'string') {
    if (!style) {
      return line + text;
    }
    return line
      ? [
          { text: line, style: '' },
          { text, style }
        ]
      : [{ text, style }];
  }
  const last = line[line.length - 1];
  if (last && last.style === style) {
    last.text += text;
    return line;
  }
  line.push({ text, style });
  return line;
}

function slice(segments: ISegment[], from: number, to: number): ISegment[] {
  const out: ISegment[] = [];
  let at = 0;
  for (const s of segments) {
    const text = s.text.slice(Math.max(0, from - at), Math.max(0, to - at));
    if (text) {
      out.push({ text, style: s.style });
    }
    at += s.text.length;
  }
  return out;
}

function merge(segments: ISegment[]): Line {
  const out: ISegment[] = [];
  for (const s of segments) {
    const last = out[out.length - 1];
    if (last && last.style === s.style) {
      last.text += s.text;
    } else {
      out.push({ ...s });
    }
  }
  return out.every(s => !s.style) ? out.map(s => s.text).join('') : out;
}
